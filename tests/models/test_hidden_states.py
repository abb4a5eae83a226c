"""Models of hidden states refuse losses that would take them for logits."""

import functools

import keras
import numpy as np
import pytest

from keras_attention import (
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    RecurrentDecoder,
    RecurrentEncoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.training import LabelSmoothedCrossentropy
from tests.models import small
from tests.tools import near, to_numpy

TOKENS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LOSSES = {
    "a loss": TOKENS,
    "a name": "sparse_categorical_crossentropy",
    "a function": keras.losses.sparse_categorical_crossentropy,
    "one-hot": keras.losses.CategoricalCrossentropy(from_logits=True),
    "smoothed": LabelSmoothedCrossentropy(),
    "a partial": functools.partial(
        keras.losses.sparse_categorical_crossentropy, from_logits=True
    ),
    "a list": ["mse", TOKENS],
    "a dictionary": {"output": TOKENS},
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_bare_decoder_refuses_the_cross_entropy_of_tokens(loss):
    decoder = TransformerDecoder(**small.SIZES)
    expected = r"width 12.*CausalLM\(decoder\).*EncoderDecoder"
    with pytest.raises(ValueError, match="(?s)" + expected):
        decoder.compile("adam", loss)
    with pytest.raises(ValueError, match="logits"):
        decoder.compile(loss=loss)
    assert not decoder.compiled


@pytest.mark.parametrize(
    "make",
    [
        TransformerEncoder,
        lambda **sizes: RecurrentEncoder(23, 1, 12),
        lambda **sizes: RecurrentDecoder(23, 1, 12),
        lambda **sizes: ConvolutionalEncoder(23, 12),
        lambda **sizes: ImageConvolutionEncoder((4, 6)),
    ],
)
def test_other_models_of_hidden_states_refuse_it_too(make):
    with pytest.raises(ValueError, match="hidden states of width"):
        make(**small.SIZES).compile("adam", TOKENS)


class ChunkedCrossentropy(keras.losses.Loss):
    def call(self, y_true, hidden):
        return keras.ops.mean(hidden, axis=-1)  # as if of logits made here


@pytest.mark.parametrize(
    "loss",
    [
        *("mse", None, "binary_crossentropy"),
        ChunkedCrossentropy(),
        lambda y_true, hidden: keras.ops.mean(hidden),
    ],
)
def test_other_losses_are_taken(rng, loss):
    small.decoder(rng, num_layers=1).compile("sgd", loss)


@pytest.mark.full
def test_what_the_message_says_trains(rng):
    decoder = small.decoder(rng, num_layers=1, dropout=0.0)
    token_ids = keras.Input((None,), dtype="int32")
    hidden = decoder(token_ids)
    model = keras.Model(token_ids, decoder.logits(hidden))
    model.compile(keras.optimizers.Adam(0.01), TOKENS)
    texts = np.tile(small.ids(rng, ragged=False), (4, 1))
    losses = model.fit(texts[:, :-1], texts[:, 1:], epochs=9, verbose=0)
    losses = losses.history["loss"]
    assert losses[-1] < 0.7 * losses[0]


class WithCall(TransformerDecoder):
    def call(self, token_ids, padding_mask=None, training=None):
        hidden = super().call(token_ids, padding_mask, training=training)
        return self.logits(hidden)


class WithLoss(TransformerDecoder):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        logits = self.logits(y_pred)
        return super().compute_loss(x, y, logits, sample_weight, training)


class AsItIs(TransformerDecoder):
    pass


@pytest.mark.full
@pytest.mark.parametrize("cls", [WithCall, WithLoss])
def test_a_subclass_with_a_call_or_loss_of_its_own_trains(rng, cls):
    model = cls(**small.SIZES)
    model.compile("sgd", TOKENS)
    tokens = small.ids(rng)
    assert np.isfinite(model.train_on_batch(tokens, tokens))


def test_a_subclass_without_is_refused():
    with pytest.raises(ValueError, match="AsItIs gives hidden states"):
        AsItIs(**small.SIZES).compile("sgd", TOKENS)


@pytest.mark.full
def test_a_compiled_model_comes_back_compiled(rng, tmp_path):
    model = small.decoder(rng, num_layers=1)
    tokens = small.ids(rng)
    target = np.zeros((3, 7, small.DIM))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.train_on_batch(tokens, target)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again.predict(tokens, verbose=0), model(tokens))
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    for ours, theirs in zip(
        again.optimizer.variables, model.optimizer.variables, strict=True
    ):
        near(to_numpy(ours), to_numpy(theirs), 0)
    again.train_on_batch(tokens, target)
