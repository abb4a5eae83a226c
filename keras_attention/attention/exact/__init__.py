"""Every query scored against every key.

Begun by Bahdanau et al. 2015 (additive scores) and Vaswani et al. 2017 (many
heads of scaled dot products); the others change the score or its softmax.
"""
