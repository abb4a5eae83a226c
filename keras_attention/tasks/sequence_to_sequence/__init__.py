"""Tasks that write a text about what they are given."""
