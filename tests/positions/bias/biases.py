"""What tests of biases share: made encodings, and biases by either path."""

import numpy as np
from keras import ops

from keras_attention.masks import Visibility
from tests.tools import randomize, to_numpy

HEADS, HEAD_DIM = 3, 5
SHAPE = (None, None, HEADS, HEAD_DIM)


def built(layer, rng, heads=HEADS):
    """The layer for some heads, with weights off where they started."""
    layer.build((None, None, heads, HEAD_DIM))
    return randomize(layer, rng)


def of_pairs(layer, queries, keys, causal):
    """The bias of explicit positions, as NumPy."""
    return to_numpy(layer.bias(None, None, queries, keys, causal))


def in_order(queries, keys, causal, same=False):
    """A `Visibility` of positions that count up by one."""
    queries, keys = (
        ops.convert_to_tensor(np.asarray(x, "int32")) for x in (queries, keys)
    )
    if same:
        keys = queries
    return Visibility(queries, keys, causal=causal).ordered(is_self=same)
