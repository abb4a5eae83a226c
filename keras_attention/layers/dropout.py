"""Dropout that a checkpoint can resume."""

import random

import keras


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
    """
    if seed is None:
        seed = random.randint(1, 10**9)
    return keras.layers.Dropout(rate, seed=seed, dtype=dtype)
