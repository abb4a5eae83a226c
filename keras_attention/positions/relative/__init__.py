"""Vectors for distances, which meet queries, keys or values.

Begun by Shaw et al. 2018 and Dai et al. 2019 (Transformer-XL).
"""
