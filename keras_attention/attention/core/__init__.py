"""What flavours of several families use.

Masks, projections and caches around a call; einsums of heads; softmax over all
keys at once and in blocks of queries.
"""
