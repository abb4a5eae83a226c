"""The memory that a search takes for each row, known beforehand."""

import functools
import math

import keras

from keras_attention.memory import bytes_of, check_memory


def bytes_of_row(model, max_length, num_beams=1):
    """Gives the memory that a search takes for a row at the least.

    Args:
        model: what `Generator` takes.
        max_length: integer.
        num_beams: integer.

    Returns:
        Integer, the bytes of the caches, the tokens and the logits of a step.
    """
    # Of beams those that have ended are kept beside those that run, and
    # either are picked anew from both of a step before.
    tokens = bytes_of(max_length * (1 if num_beams == 1 else 3), "int32")
    size = getattr(model, "vocabulary_size", None)
    logits = bytes_of(size, "float32") if isinstance(size, int) else 0
    return num_beams * (tokens + logits + _bytes_of_cache(model, max_length))


def check_search(needed, rows, max_length, num_beams=1):
    """Refuses a search that takes more than the memory of this machine.

    Args:
        needed: integer, as `bytes_of_row` gives it.
        rows: integer, rows that are processed together.
        max_length, num_beams: integers, for the message.

    Raises:
        ValueError: as `check_memory`.
    """
    check_memory(
        f"The caches and tokens of a search with num_beams={num_beams}, "
        f"max_length={max_length} and a batch of {rows}",
        rows * needed,
    )


class _Make(keras.Operation):
    """Calls a function `make`, or finds the shapes of what it returns."""

    def call(self):
        return self.make()


def _bytes_of_cache(model, max_length):
    """Gives the bytes of the cache of a row; 0 where only a call can tell."""
    operation = _Make(name="init_cache")
    operation.make = functools.partial(model.init_cache, 1, max_length)
    try:
        cache = operation.compute_output_spec()
    # A model of the caller's own may do anything here; what it refuses, it
    # refuses again when it generates.
    except Exception:
        return 0
    return sum(
        bytes_of(math.prod(leaf.shape), leaf.dtype)
        for leaf in keras.tree.flatten(cache)
    )
