"""Tasks that name a class for a whole text or image."""
