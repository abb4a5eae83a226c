"""Queries and keys rotated by their positions.

Begun by Su et al. 2021 (RoFormer); xPos and the scalings of the angles for
longer texts followed.
"""
