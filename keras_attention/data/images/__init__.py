"""Images from files: found, read, resized and distorted."""
