"""What all tasks share: the base, its folder, and what they are given."""
