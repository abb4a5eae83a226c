"""KERPLE against its two formulas."""

import numpy as np
import pytest

from keras_attention import Kerple
from tests.positions.bias.biases import SHAPE, built, of_pairs
from tests.tools import near, to_numpy


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("variant", ["log", "power"])
def test_it_is_its_formula(variant, causal, rng):
    layer = built(Kerple(variant), rng)
    queries, keys = np.arange(3, 1000, 83), np.arange(3, 1000, 59)
    assert keys[0] == queries[0]  # which a power of 0 would count
    amount, shape = (
        to_numpy(w).astype("float64")[:, None, None]
        for w in (layer.amount, layer.rate)
    )
    distances = np.abs(queries[:, None] - keys).astype("float64")
    if variant == "log":
        expected = -softplus(amount) * np.log(1 + softplus(shape) * distances)
    else:
        expected = -softplus(amount) * distances ** (2 / (1 + np.exp(-shape)))
    near(of_pairs(layer, queries, keys, causal)[0], expected)


@pytest.mark.parametrize(
    ("variant", "largest"), [("log", (2.0, 1.0)), ("power", (1.0, 2.0))]
)
def test_it_starts_evenly(variant, largest, rng):
    layer = Kerple(variant)
    layer.build((None, None, 1009, 5))
    amount, shape = to_numpy(layer.amount), to_numpy(layer.rate)
    second = softplus(shape)
    if variant == "power":
        second = 2 / (1 + np.exp(-shape))
    for drawn, bound in zip((softplus(amount), second), largest, strict=True):
        assert 0.009 < drawn.min() < 0.05 * bound
        assert 0.95 * bound < drawn.max() < bound
        near(drawn.mean(), bound / 2, 0.1 * bound)


@pytest.mark.parametrize("variant", ["log", "power"])
@pytest.mark.parametrize("number", [-30.0, 30.0])
def test_no_weight_makes_far_keys_score_higher(variant, number, rng):
    layer = Kerple(variant)
    layer.build(SHAPE)
    layer.set_weights([np.full(3, number)] * 2)
    bias = of_pairs(layer, np.array([5000]), np.arange(5001), True)
    assert np.isfinite(bias).all() and (np.diff(bias) >= 0).all()


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant.*log, power.*'cubic'"):
        Kerple("cubic")
