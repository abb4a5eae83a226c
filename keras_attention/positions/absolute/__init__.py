"""A vector for each position, added to the embeddings.

Begun by Vaswani et al. 2017, with sinusoids and with learned vectors.
"""
