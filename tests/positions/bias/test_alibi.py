"""ALiBi against its authors' slopes, as Bloom and MPT have them."""

import numpy as np
import pytest

from keras_attention import ALiBi
from tests.positions.bias.biases import of_pairs
from tests.tools import near

LENGTH = 11


def bias_of(heads, causal=True):
    layer = ALiBi()
    layer.build((None, None, heads, 5))
    places = np.arange(LENGTH)
    return of_pairs(layer, places, places, causal)


def weights(bias, rng):
    """Causal softmax weights of some scores and a bias."""
    scores = np.random.default_rng(7).normal(size=(LENGTH, LENGTH)) + bias
    scores = np.where(np.tril(np.ones((LENGTH, LENGTH))) > 0, scores, -1e30)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 23])
def test_bloom_and_mpt(heads, rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.bloom import modeling_bloom
    from transformers.models.mpt import modeling_mpt

    mask = torch.ones((1, LENGTH), dtype=torch.int64)
    bloom = modeling_bloom.build_alibi_tensor(mask, heads, torch.float32)
    mpt = modeling_mpt.build_mpt_alibi_tensor(heads, LENGTH)
    found = weights(bias_of(heads), rng)
    near(found[0], weights(bloom.numpy(), rng))
    near(found[0], weights(mpt.numpy(), rng))


def test_slopes_are_those_of_the_paper():
    slopes = -bias_of(8)[0, :, 1, 0]
    near(slopes, 2.0 ** -np.arange(1, 9), 0)
    slopes = -bias_of(6)[0, :, 1, 0]
    near(slopes, [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8], 0)


@pytest.mark.parametrize("causal", [False, True])
def test_it_falls_with_the_distance_to_either_side(causal):
    places = np.arange(LENGTH)
    distances = np.abs(places[:, None] - places)
    near(bias_of(2, causal)[0], [-distances / 16, -distances / 256], 0)


def test_nothing_is_learned():
    layer = ALiBi()
    layer.build((None, None, 3, 5))
    assert not layer.weights
