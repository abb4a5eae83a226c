"""Trained models made into others: attention swapped, adapted, frozen."""
