"""Graphs of tasks that say something about single tokens of a text."""
