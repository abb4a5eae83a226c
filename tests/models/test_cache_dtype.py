"""A cache keeps its digits on the way through a model in half precision."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.models import small
from tests.tools import near, to_numpy

SHIFT = 1 + 2.0**-12  # which half precision rounds to 1


def is_float32(leaf):
    return keras.backend.standardize_dtype(leaf.dtype) == "float32"


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("attention", ["linear", "retention", "gated_delta"])
def test_sums_in_float32_reach_the_layer_unrounded(rng, attention, dtype):
    decoder = small.decoder(
        rng, attention=attention, position=None, dtype=dtype
    )
    token_ids = small.ids(rng, 1, ragged=False)
    empty = decoder.init_cache(3, 5)
    assert any(map(is_float32, keras.tree.flatten(empty)))
    shifted = keras.tree.map_structure(
        lambda leaf: leaf + SHIFT if is_float32(leaf) else leaf, empty
    )
    x = ops.zeros((3, 1, small.DIM), decoder.compute_dtype)
    block = decoder.blocks[0]
    # A model, a block and a layer hand it on alike.
    _, from_block = block(x, cache=shifted["block_0"])
    _, from_layer = block.attention(block.norms[0](x), cache=shifted["block_0"])
    for name, leaf in from_layer.items():
        near(from_block[name], leaf, 1e-7, 0)
    _, cache = decoder(token_ids, cache=shifted)
    x = decoder.embedding(token_ids)
    x = block.norms[0](x)
    _, expected = block.attention(x, cache=shifted["block_0"])
    _, rounded = block.attention(
        x,
        cache=keras.tree.map_structure(
            lambda leaf: (
                ops.cast(ops.cast(leaf, x.dtype), leaf.dtype)
                if is_float32(leaf)
                else leaf
            ),
            shifted["block_0"],
        ),
    )
    apart = 0.0
    for name, leaf in expected.items():
        near(cache["block_0"][name], leaf, 1e-7, 0)
        if is_float32(leaf):
            difference = to_numpy(leaf) - to_numpy(rounded[name])
            apart = max(apart, np.abs(difference).max())
    assert apart > 1e-5  # a cast on the way would be seen


def test_what_a_cache_lacks_is_named(rng):
    decoder = small.decoder(rng)
    cache = decoder.init_cache(3, 5)
    del cache["block_1"]
    with pytest.raises(KeyError, match="block_1"):
        decoder(small.ids(rng, 1, ragged=False), cache=cache)
