"""The flavours that go through the contract: one line each."""

from typing import Any, NamedTuple

from keras_attention import attention
from tests.tools import randomize

BATCH, LENGTH, KEY_LENGTH, DIM, NUM_HEADS = 3, 7, 5, 24, 4


class Case(NamedTuple):
    """One flavour with its options.

    Attributes:
        name: registered name.
        options: constructor arguments beside `num_heads`.
        cache: function from `(batch_size, max_length)` to the shape of every
            leaf of the cache; None for a flavour without one.
    """

    name: str
    options: dict
    cache: Any = None

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


def _keys_and_values(num_kv_heads):
    return lambda batch_size, max_length: {
        "key": (batch_size, num_kv_heads, max_length, DIM // NUM_HEADS),
        "value": (batch_size, num_kv_heads, max_length, DIM // NUM_HEADS),
        "mask": (batch_size, max_length),
    }


CASES = {
    "multi_head": Case("multi_head", {}, _keys_and_values(4)),
    "grouped": Case(
        "multi_head",
        {"num_kv_heads": 2, "use_bias": False},
        _keys_and_values(2),
    ),
    "multi_query_rotary": Case(
        "multi_head",
        {"num_kv_heads": 1, "position": "rotary"},
        _keys_and_values(1),
    ),
}
