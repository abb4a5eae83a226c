"""What encodings of several families use: angles, distances, grids."""
