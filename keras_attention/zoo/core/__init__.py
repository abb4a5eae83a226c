"""What the families share: configurations, tensors, and their files."""
