"""Each query sees chosen keys: fixed blocks, hashed buckets, or the largest.

Begun by Child et al. 2019 (Sparse Transformer) and Kitaev et al. 2020
(Reformer).
"""
