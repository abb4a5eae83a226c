"""How many files of the package a reader of a cached step goes through."""

import pathlib
import sys

import keras
import numpy as np
import pytest

import keras_attention
from tests.models import small
from tests.tools import BACKEND

ROOT = pathlib.Path(keras_attention.__file__).parent
# Of a step from token ids to logits, and of its longest way, that through a
# block, which it goes through once for each. The aim is 12.
MOST = {"step": 16, "block": 12}
if BACKEND == "torch":  # whose layer normalization is one of ours
    MOST = {"step": 17, "block": 13}


def files_crossed(function):
    """Lists the files of the package in which a call runs functions."""
    files = set()

    def trace(frame, event, argument):
        files.add(pathlib.Path(frame.f_code.co_filename))

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    inside = (path for path in files if path.is_relative_to(ROOT))
    return sorted(str(path.relative_to(ROOT)) for path in inside)


@pytest.mark.skipif(BACKEND == "jax", reason="a step of JAX is compiled")
@pytest.mark.parametrize("what", MOST)
def test_a_cached_step_crosses_few_files(rng, what):
    decoder = small.decoder(rng, position=None)
    cache = decoder.init_cache(2, 5)
    token_ids = keras.ops.convert_to_tensor(np.ones((2, 1), "int32"))
    x = keras.ops.ones((2, 1, small.DIM))
    block = decoder.blocks[1]
    call = {
        "step": lambda: decoder.step(token_ids, cache, start=3),
        "block": lambda: block(x, cache=cache["block_1"], start=3),
    }[what]
    call()  # what is done once is done
    files = files_crossed(call)
    print(f"{what}: {len(files)} files: {', '.join(files)}")
    assert len(files) <= MOST[what], files


if __name__ == "__main__":  # prints both lists
    for name in MOST:
        test_a_cached_step_crosses_few_files(np.random.default_rng(0), name)
