"""Models of published families: read from folders of others, and written."""
