"""Angles against float64, near and far."""

import numpy as np
import pytest
from keras import ops

from keras_attention.positions.core.angles import (
    inverse_wavelengths,
    sine_cosine,
)


@pytest.mark.parametrize("first", [0, 127, 16_383, 1_000_000, 2_097_100])
def test_sine_and_cosine_are_those_of_float64(first):
    frequencies = inverse_wavelengths(31, 10_000.0)
    positions = np.arange(first, first + 40)
    sine, cosine = sine_cosine(ops.convert_to_tensor(positions), frequencies)
    angles = positions[:, None].astype("float64") * frequencies
    for got, expected in ((sine, np.sin(angles)), (cosine, np.cos(angles))):
        got = ops.convert_to_numpy(got)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-6)


def test_frequencies_fall_geometrically_from_one():
    frequencies = inverse_wavelengths(5, 100.0)
    assert frequencies[0] == 1.0
    np.testing.assert_allclose(frequencies[1:] / frequencies[:-1], 100**-0.2)
