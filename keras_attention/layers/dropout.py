"""Dropout that a checkpoint can resume."""

import random

import keras
from keras import ops

from keras_attention.checks import check_dropout


def make_dropout(rate, seed=None, dtype=None):
    """Makes a Dropout layer with a seed of its own.

    Without a seed Keras' layer draws from the global generator of torch,
    whose state no checkpoint of the model holds.

    Args:
        rate: float, share of the features that is dropped.
        seed: integer; drawn from Python's generator by default, which
            `keras.utils.set_random_seed` seeds.
        dtype: the layer's dtype policy.

    Returns:
        A `keras.layers.Dropout`.

    Raises:
        ValueError: if `rate` does not lie in [0, 1).
    """
    check_dropout(rate)
    if seed is None:
        seed = random.randint(1, 10**9)
    return keras.layers.Dropout(rate, seed=seed, dtype=dtype)


def dropout_mask(dropout, shape, training):
    """Draws what Dropout multiplies by, for a loop that cannot draw itself.

    Args:
        dropout: a `keras.layers.Dropout`.
        shape: of the mask.
        training: whether to apply dropout.

    Returns:
        A tensor of `shape`, or None where nothing is dropped.
    """
    if not (training and dropout.rate):
        return None
    return dropout(ops.ones(shape, dropout.compute_dtype), training=True)
