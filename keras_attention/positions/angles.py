"""Angles of far positions, exact enough in float32."""

import math

import numpy as np
from keras import ops

_DIGITS = 3
_BASE = 128


def sine_cosine(positions, frequencies):
    """Computes sine and cosine of `position * frequency`.

    A product in float32 errs by 0.02 at position 10**6, because the angle
    needs more digits than it has. So the position is split into digits of
    seven bits and every frequency, in turns, into a part of 17 bits and a
    rest: the products with the first part are then exact, whole turns drop
    out exactly, and the error stays near 1e-6 up to position 2,097,151.

    Args:
        positions: integers `(..., length)`, not negative.
        frequencies: NumPy float64 `(features,)`, radians a position.

    Returns:
        Two float32 tensors `(..., length, features)`.
    """
    place = float(_BASE) ** np.arange(_DIGITS)
    turns = place[:, None] * frequencies[None, :] / (2 * np.pi)
    turns -= np.round(turns)
    coarse = np.round(turns * 2**17) / 2**17
    fine = ops.convert_to_tensor((turns - coarse).astype("float32"))
    coarse = ops.convert_to_tensor(coarse.astype("float32"))

    positions = ops.cast(positions, "int32")
    angle = 0.0
    for index in range(_DIGITS):
        digit = positions // _BASE**index
        if index < _DIGITS - 1:
            digit = digit % _BASE
        digit = ops.cast(digit, "float32")[..., None]
        exact = digit * coarse[index]
        angle = angle + (exact - ops.round(exact)) + digit * fine[index]
    angle = angle * (2 * math.pi)
    return ops.sin(angle), ops.cos(angle)


def inverse_wavelengths(num_pairs, base):
    """Frequencies `base ** (-i / num_pairs)` of the pairs of features.

    Args:
        num_pairs: integer, half the width.
        base: the longest wavelength over two pi.

    Returns:
        NumPy float64 `(num_pairs,)`.
    """
    return base ** (-np.arange(num_pairs, dtype="float64") / num_pairs)
