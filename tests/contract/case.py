"""One flavour of the contract: how it is made and what may be asked."""

import contextlib
import zlib
from typing import Any, NamedTuple

import numpy as np

from keras_attention import attention
from tests.tools import BACKEND, randomize, to_numpy

# Elsewhere than on TensorFlow one half precision stands for both.
DTYPES = {
    "tensorflow": ["float32", "bfloat16", "float16"],
    "torch": ["float32", "bfloat16"],
    "jax": ["bfloat16"],
}[BACKEND]

BATCH, LENGTH, KEY_LENGTH, DIM, NUM_HEADS = 3, 7, 5, 24, 4


class Case(NamedTuple):
    """One flavour with its options.

    Attributes:
        name: registered name.
        options: constructor arguments beside `num_heads`.
        cache: function from `(batch_size, max_length)` to the shape of every
            leaf of the cache; None for a flavour without one.
        growth: power of the length with which the largest tensor of a
            training step may grow.
        sees_all: whether, without a causal mask, the first of `LENGTH`
            queries depends on the last key, and every query on every key
            that a dense mask leaves it.
        weights_sum_to_one: whether weights are positive and rows that see
            anything sum to one.
        chooses: whether it compares numbers to choose what attends to what,
            so that rounding may choose otherwise.
        weights_make_output: whether the values that `project_source` gives,
            mixed by the weights, are what is projected.
        cuts_tails: whether a tail of padding may be cut off without a trace.
        causal_is_masked: whether the causal form is the other one with the
            future masked.
        same_widths: whether a source has to be as wide as the query.
    """

    name: str
    options: dict
    cache: Any = None
    growth: float = 2.0
    sees_all: bool = True
    chooses: bool = False
    weights_sum_to_one: bool = True
    weights_make_output: bool = True
    cuts_tails: bool = True
    causal_is_masked: bool = True
    same_widths: bool = False

    def make(self, **options):
        """A new, unbuilt layer."""
        return attention.get(
            self.name, num_heads=NUM_HEADS, **self.options, **options
        )

    def layer(self, rng, **options):
        """A built layer whose weights are all off their initial values."""
        layer = self.make(**options)
        layer.build((BATCH, LENGTH, DIM))
        return randomize(layer, rng)


class BuiltLayers:
    """Layers of cases, each built once, with weights drawn once."""

    def __init__(self):
        self._layers = {}

    def get(self, case, **options):
        """A case's layer with further options. Nobody may change it."""
        name = repr((case._replace(cache=None), options))
        if name not in self._layers:
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            layer = case.layer(rng, **options)
            self._layers[name] = layer, to_numpy(layer.get_weights())
        return self._layers[name][0]

    def check_unchanged(self):
        """Raises an error if the weights of a layer are no longer its own."""
        for name, (layer, weights) in self._layers.items():
            found = to_numpy(layer.get_weights())
            np.testing.assert_equal(found, weights, err_msg=name)


def nothing_of(layer):
    """What a query that sees nothing gives: the bias of the output."""
    dense = getattr(layer, "output_dense", None)
    if dense is None or dense.bias is None:
        return 0.0
    return to_numpy(dense.bias.value)


@contextlib.contextmanager
def without_norm(layer):
    """Leaves out the division of each head's output by its size, if any.

    It acts on each position by itself, and magnifies rounding errors up to 300
    times, until its epsilon counts: a sum may be little beside its terms.
    """
    has_norm = getattr(layer, "norm", False)
    if has_norm:
        layer.norm = False
    try:
        yield
    finally:
        if has_norm:
            layer.norm = has_norm


def keys_and_values(num_kv_heads, head_dim=DIM // NUM_HEADS):
    """The shapes of a cache that holds all keys and values."""
    return lambda batch_size, max_length: {
        "key": (batch_size, num_kv_heads, max_length, head_dim),
        "value": (batch_size, num_kv_heads, max_length, head_dim),
        "mask": (batch_size, max_length),
    }
