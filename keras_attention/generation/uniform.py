"""Uniform numbers that are the same on every backend."""

import keras
import numpy as np
from keras import ops


def uniform(seed, batch_size, length):
    """Draws numbers from 0 up to 1, one for each row and position.

    A number is a hash of the seed, its row and its position. So it is the same
    on all backends, compiled or not, which Keras' own generators do not
    promise, and depends neither on `batch_size` nor on `length`.

    Args:
        seed: An integer, a `keras.random.SeedGenerator`, or a tensor `(2,)` as
            its `next()` returns it; or integers `(batch_size, 2)`, a seed for
            each row, whose numbers are then those of the first row of a batch
            with that seed.
        batch_size: Integer or scalar tensor.
        length: Integer or scalar tensor.

    Returns:
        float32 `(batch_size, length)`, multiples of 2**-24.

    Raises:
        ValueError: if the seed is none of these.

    Reference:
        [Wellons, 2018, Prospecting for Hash Functions](
        https://nullprogram.com/blog/2018/07/31/) (the mixing function,
        `lowbias32`)
    """
    seed = ops.cast(_read_seed(seed), "int32")
    positions = ops.arange(length, dtype="int32")[None, :]
    if len(seed.shape) == 2:
        rows = ops.zeros((batch_size, 1), dtype="int32")
        key = _mix(_mix(seed[:, :1]) + seed[:, 1:])
    else:
        rows = ops.arange(batch_size, dtype="int32")[:, None]
        key = _mix(_mix(seed[0]) + seed[1])
    # Mixed apart and together, so that no row is a shifted copy of another.
    bits = _mix(_mix(key + rows) + _mix(_mix(key) + positions))
    return ops.cast(_shift(bits, 8), "float32") * 2.0**-24


def _mix(bits):
    bits = ops.bitwise_xor(bits, _shift(bits, 16))
    bits = bits * _signed(0x7FEB352D)
    bits = ops.bitwise_xor(bits, _shift(bits, 15))
    bits = bits * _signed(0x846CA68B)
    return ops.bitwise_xor(bits, _shift(bits, 16))


def _shift(bits, count):
    """Shifts int32 to the right as if it had no sign."""
    mask = (1 << (32 - count)) - 1
    return ops.bitwise_and(ops.right_shift(bits, count), mask)


def _signed(value):
    """The int32 with the bits of an unsigned integer."""
    return int(np.uint32(value & 0xFFFFFFFF).astype("int32"))


def _read_seed(seed):
    if isinstance(seed, keras.random.SeedGenerator):
        return seed.next()
    if isinstance(seed, (int, np.integer)):
        return ops.convert_to_tensor([_signed(seed), 0], "int32")
    if ops.is_tensor(seed) and len(seed.shape) in (1, 2):
        if seed.shape[-1] == 2:
            return seed
    raise ValueError(
        "`seed` must be an integer, a `keras.random.SeedGenerator`, or a "
        f"tensor of the shape (2,) or (batch, 2). Received: seed={seed}"
    )
