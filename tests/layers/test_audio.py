"""Frames of sound as vectors, against Whisper's encoder and masks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AudioEmbedding, Classifier, TransformerEncoder
from tests.tools import only, randomize, to_numpy


def make(strides=(1, 2), seed=0):
    layer = AudioEmbedding(14, 7, strides=strides)
    layer.build()
    return randomize(layer, np.random.default_rng(seed), deviation=0.3)


@pytest.mark.parametrize("length", [11, 12])
def test_it_is_what_whisper_puts_before_its_encoder(length):
    torch = pytest.importorskip("torch", reason="the oracle")
    layer = make()
    frames = np.random.default_rng(1).normal(size=(2, length, 7))
    x = torch.tensor(frames.astype("float32")).transpose(1, 2)
    for convolution, stride in zip(layer.convolutions, (1, 2), strict=True):
        kernel, bias = (
            torch.tensor(to_numpy(w.value)) for w in convolution.weights
        )
        x = torch.nn.functional.conv1d(
            x, kernel.permute(2, 1, 0), bias, stride=stride, padding=1
        )
        x = torch.nn.functional.gelu(x)
    found = to_numpy(layer(ops.convert_to_tensor(frames.astype("float32"))))
    np.testing.assert_allclose(
        found, x.transpose(1, 2).numpy(), rtol=1e-5, atol=1e-5
    )
    assert found.shape[1] == layer.length(length) == 6


@pytest.mark.parametrize("length", only([5], [4, 5, 6, 7]))
def test_padding_does_not_reach_the_sound(length):
    encoder = TransformerEncoder(None, 1, 14, 1, embedding=make())
    model = Classifier(encoder, 3, pooling="mean")
    generator = np.random.default_rng(2)
    frames = generator.normal(size=(2, 11, 7)).astype("float32")
    mask = np.arange(11)[None] < np.array([[length], [11]])
    frames[0, length:] = np.nan
    given = {"token_ids": frames, "padding_mask": mask}
    found = to_numpy(
        model({k: ops.convert_to_tensor(v) for k, v in given.items()})
    )
    alone = to_numpy(model(ops.convert_to_tensor(frames[:1, :length])))
    np.testing.assert_allclose(found[:1], alone, atol=1e-5)


def test_it_comes_back_from_its_configuration():
    layer = make(strides=(2, 2, 1))
    again = AudioEmbedding.from_config(layer.get_config())
    assert again.strides == (2, 2, 1) and again.num_mels == 7
    again.build()
    for weight, value in zip(again.weights, layer.weights, strict=True):
        weight.assign(value)
    x = keras.random.normal((2, 9, 7))
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))
    assert again(x).shape == (2, 3, 14)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="must be odd"):
        AudioEmbedding(13, kernel_size=4)
    with pytest.raises(ValueError, match="strides must be"):
        AudioEmbedding(14, strides=2)
    with pytest.raises(ValueError, match=r"\(batch, frames, 7\)"):
        make()(keras.random.normal((2, 9, 8)))
