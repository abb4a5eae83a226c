"""What holds for every encoding."""

import numpy as np
import pytest
from keras import ops

from keras_attention import PositionalEncoding, positions
from keras_attention.positions.core.angles import (
    inverse_wavelengths,
    sine_cosine,
)
from tests.tools import compiled, near, to_numpy

SHAPE = (2, 7, 3, 6)


@pytest.mark.parametrize("name", positions.names())
def test_every_encoding_is_made_without_arguments(name):
    layer = positions.get(name)
    assert isinstance(layer, PositionalEncoding) and not layer.built
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert not (layer.acts_on_embeddings and layer.acts_in_attention)


@pytest.mark.parametrize("name", positions.names())
def test_hooks_that_are_not_overridden_do_nothing(name, rng):
    layer = positions.get(name)
    x = rng.normal(size=SHAPE).astype("float32")
    if layer.acts_on_embeddings:
        layer.build((*SHAPE[:2], 18))
    else:
        layer.build(SHAPE)
        embedded = x.reshape(2, 7, 18)
        assert layer.embed(embedded) is embedded
    if not layer.acts_in_attention:
        places = np.arange(7)
        assert layer.rotate(x, places, "query") is x
        assert layer.bias(x, x, places, places, True) is None
        assert layer.values(x, places, places) is None
        assert layer.scale(6) == pytest.approx(6**-0.5)


@pytest.mark.parametrize("name", positions.names())
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_shape_and_dtype_stay(name, dtype, rng):
    layer = positions.get(name, dtype=dtype)
    x = ops.cast(ops.convert_to_tensor(rng.normal(size=SHAPE)), dtype)
    layer.build(SHAPE)
    rotated = layer.rotate(x, ops.arange(7), "key")
    assert rotated.shape == x.shape and rotated.dtype == x.dtype
    embedded = ops.reshape(x, (2, 7, 18))
    layer = positions.get(name, dtype=dtype)
    output = layer(embedded)
    assert output.shape == embedded.shape and output.dtype == x.dtype


def test_no_encoding_is_spelled_none():
    assert type(positions.get(None)) is PositionalEncoding
    assert type(positions.get("none")) is PositionalEncoding


@pytest.mark.parametrize("position", [0, 1, 127, 128, 16_384, 10**6, 2_097_151])
def test_angles_have_the_accuracy_of_float32(position):
    frequencies = np.concatenate(
        [inverse_wavelengths(37, 10_000.0), [3.14159, 2.0, 1.3e-7]]
    )
    call = compiled(lambda p: sine_cosine(p, frequencies))
    angles = position * frequencies
    for found in (
        sine_cosine(np.array([position]), frequencies),
        call(ops.convert_to_tensor([position], dtype="int32")),
    ):
        near(found[0][0], np.sin(angles), 2e-6)
        near(found[1][0], np.cos(angles), 2e-6)


def test_angles_are_right_at_every_thousandth_position():
    frequencies = inverse_wavelengths(8, 10_000.0)
    places = np.arange(0, 2_097_152, 997)
    sine, cosine = to_numpy(sine_cosine(places, frequencies))
    angles = places[:, None] * frequencies
    assert np.abs(sine - np.sin(angles)).max() < 2e-6
    assert np.abs(cosine - np.cos(angles)).max() < 2e-6
