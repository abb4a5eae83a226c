"""FIRE against its definition."""

import numpy as np
import pytest

from keras_attention import FIRE
from tests.positions.bias.biases import built, in_order, of_pairs
from tests.tools import near, to_numpy


def definition(layer, queries, keys):
    """The paper's formula in float64, with |i - j| for the distance."""
    weights = {
        name: to_numpy(getattr(layer, name)).astype("float64")
        for name in (
            *("c", "threshold_factor", "hidden_kernel", "hidden_offset"),
            *("kernel", "offset"),
        )
    }
    c = abs(weights["c"])
    threshold = abs(weights["threshold_factor"] * layer.initial_threshold)
    distances = np.abs(queries[:, None] - keys)
    reach = np.maximum(queries, threshold)[:, None]
    shares = np.log(c * distances + 1) / np.log(c * reach + 1)
    hidden = shares[..., None] * weights["hidden_kernel"]
    hidden = np.maximum(hidden + weights["hidden_offset"], 0)
    numbers = hidden @ weights["kernel"] + weights["offset"]
    return np.moveaxis(numbers, -1, 0)[None]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("start", [0, 100, 1000])
def test_it_is_its_definition(start, causal, rng):
    layer = built(FIRE(initial_threshold=150.0), rng)
    queries, keys = np.arange(start, start + 101), np.arange(start + 101)
    expected = definition(layer, queries, keys)
    near(of_pairs(layer, queries, keys, causal), expected)
    visible = in_order(queries, keys, causal)
    near(layer.bias_in(None, None, visible), expected)


def test_it_starts_as_in_the_paper():
    layer = FIRE()
    layer.build((None, None, 3, 5))
    near(layer.c, 0.1)
    near(to_numpy(layer.threshold_factor) * layer.initial_threshold, 512.0)
    assert layer.hidden_kernel.shape == (32,) and layer.kernel.shape == (32, 3)


def test_a_shift_counts_behind_the_threshold_alone(rng):
    layer = built(FIRE(initial_threshold=50.0), rng)
    layer.threshold_factor.assign(1.0)
    places = np.arange(11)
    found = of_pairs(layer, places, places, True)
    near(of_pairs(layer, places + 40, places + 40, True), found)
    later = of_pairs(layer, places + 500, places + 500, True)
    assert np.abs(later - found).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width.*0"),
        ({"initial_c": 0.0}, "initial_c.*0.0"),
        ({"initial_threshold": -1}, "initial_threshold.*-1"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        FIRE(**options)
