"""Fourier mixing against FNet and the definition of the transform."""

import numpy as np
import pytest

from keras_attention import FourierMixing, RotaryEmbedding, TransformerEncoder
from tests.tools import near, to_numpy

BATCH, DIM = 2, 11


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


@pytest.mark.parametrize("length", [8, 13])
def test_it_agrees_with_transformers(rng, length):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import FNetConfig
    from transformers.models.fnet import modeling_fnet

    config = FNetConfig(hidden_size=DIM, use_tpu_fourier_optimizations=False)
    oracle = modeling_fnet.FNetBasicFourierTransform(config)
    x, mask = draw(rng, length), rng.random((BATCH, length)) < 0.6
    near(FourierMixing()(x), oracle(torch.tensor(x))[0].numpy())
    # FNet takes no mask: padding is zero there.
    hidden = np.where(mask[..., None], x, 0)
    output = FourierMixing()(x, padding_mask=mask)
    near(output, oracle(torch.tensor(hidden))[0].numpy())


def test_it_is_the_real_part_of_both_transforms(rng):
    x = draw(rng, 7)
    along = [np.outer(np.arange(n), np.arange(n)) / n for n in (7, DIM)]
    sequence, features = (np.exp(-2j * np.pi * a) for a in along)
    expected = np.einsum("st,btm,mk->bsk", sequence, x, features).real
    near(FourierMixing()(x), expected)


def test_the_length_of_the_padding_shows(rng):
    # As documented; exact in the tokens, not in how many there could be.
    x, mask = draw(rng, 7), np.arange(7) < [[5], [5]]
    padded = to_numpy(FourierMixing()(x, padding_mask=mask))[:, :5]
    bare = to_numpy(FourierMixing()(x[:, :5]))
    assert np.abs(padded - bare).max() > 0.1


def test_it_takes_neither_heads_nor_positions():
    with pytest.raises(TypeError, match="num_heads"):
        FourierMixing(num_heads=2)
    for position in ("rotary", RotaryEmbedding(), "sinusoidal"):
        with pytest.raises(ValueError, match="the transform knows positions"):
            FourierMixing(position=position)
    with pytest.raises(ValueError, match="RotaryEmbedding"):
        TransformerEncoder(23, 1, 12, 3, attention="fourier", position="rotary")


def test_it_has_no_weights_and_no_attention_weights(rng):
    layer = FourierMixing()
    x = draw(rng, 5)
    layer(x)
    assert not layer.weights
    with pytest.raises(ValueError, match="no attention weights"):
        layer.attention_weights(x)
