"""Handing a cache to a call in the dtypes that it has."""

import keras
from keras import ops


class KeepsCache:
    """Mixin for layers and models that take a cache.

    Keras casts every float that a call is given to the dtype it computes in.
    A state that is summed up in float32 would lose digits with each step. So
    the first layer that is called puts the cache in a box, which Keras does
    not look into; those within hand on its parts, and what reads or writes
    the cache takes it out with `unbox`.
    """

    def __call__(self, *args, cache=None, **kwargs):
        if cache is not None:
            kwargs["cache"] = _box(cache)
        return super().__call__(*args, **kwargs)


class Box:
    """A dictionary of tensors that Keras does not see, and so does not cast."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __getitem__(self, name):
        part = self.tensors[name]
        return Box(part) if isinstance(part, dict) else part


def unbox(cache):
    """Gives the dictionary of tensors that `KeepsCache` handed on."""
    return cache.tensors if isinstance(cache, Box) else cache


def _box(cache):
    if isinstance(cache, Box):
        return cache
    leaves = keras.tree.flatten(cache)
    if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return cache  # what a functional model is made of it has to see
    return Box(keras.tree.map_structure(ops.convert_to_tensor, cache))
