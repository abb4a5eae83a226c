"""Handing a cache to a call in the dtypes that it has."""

import keras
from keras import ops


class KeepsCache:
    """Mixin for layers and models that take a cache.

    Keras casts every float that a call is given to the dtype it computes in.
    A state that is summed up in float32 would lose digits with each step.
    """

    def __call__(self, *args, cache=None, **kwargs):
        if cache is not None:
            kwargs["cache"] = _held(cache)
        return super().__call__(*args, **kwargs)


def released(cache):
    """Gives the dictionary of tensors that `KeepsCache` handed on."""
    return cache.tensors if isinstance(cache, _Held) else cache


class _Held:
    """Tensors that Keras does not see, and so does not cast."""

    def __init__(self, tensors):
        self.tensors = tensors


def _held(cache):
    if isinstance(cache, _Held):
        return cache
    leaves = keras.tree.flatten(cache)
    if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return cache  # what a functional model is made of it has to see
    return _Held(keras.tree.map_structure(ops.convert_to_tensor, cache))
