"""Encoders of images."""

CASES = {}
