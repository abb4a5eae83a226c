"""Models of the user's own, which hold these layers in their own way."""

import keras
import numpy as np
import pytest

from keras_attention import (
    AttentionPooling,
    MultiHeadAttention,
    TransformerEncoder,
    attention_maps,
)
from tests.models import small
from tests.tools import BACKEND, to_numpy


class Classifier(keras.Model):
    """An encoder whose hidden states are pooled."""

    def __init__(self):
        super().__init__()
        self.encoder = TransformerEncoder(**small.SIZES)
        self.pooling = AttentionPooling(2)
        self.dense = keras.layers.Dense(3)

    def call(self, token_ids, training=None):
        mask = self.encoder.padding_mask(token_ids)
        hidden = self.encoder(token_ids, training=training)
        pooled = self.pooling(hidden, padding_mask=mask, training=training)
        return self.dense(pooled[:, 0])


def test_a_classifier_pools_the_tokens_of_its_encoder(rng):
    tokens = [list("abcdefg"), list("hijk"), list("lmnopqr")]
    maps = attention_maps(Classifier(), small.ids(rng), tokens=tokens)
    assert list(maps) == [
        "encoder/block_0/attention",
        "encoder/block_1/attention",
        "pooling",
    ]
    row = maps.row("pooling", 1)
    assert row.weights.shape == (2, 1, 4)
    assert (row.query_tokens, row.key_tokens) == (["1"], list("hijk"))
    np.testing.assert_allclose(row.weights.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.full
def test_what_is_compiled_stays_compiled(rng):
    if BACKEND != "tensorflow":
        pytest.skip("counts the traces of a tf.function")
    model, ids = Classifier(), small.ids(rng)
    model.compile()
    before = model.predict(ids, verbose=0)
    count = model.predict_function.experimental_get_tracing_count
    traces = count()
    attention_maps(model, ids)
    np.testing.assert_array_equal(before, model.predict(ids, verbose=0))
    assert count() == traces


@pytest.mark.parametrize("named", [False, True])
def test_two_inputs_of_a_functional_model(rng, named):
    query = keras.Input((None, 12), name="query")
    value = keras.Input((None, 12), name="value")
    inputs = {"query": query, "value": value} if named else [query, value]
    layer = MultiHeadAttention(3, name="across")
    model = keras.Model(inputs, layer(query, value))
    given = [rng.normal(size=(2, n, 12)).astype("float32") for n in (5, 7)]
    expected = to_numpy(layer.attention_weights(*given))
    if named:
        given = dict(zip(inputs, given, strict=True))
    maps = attention_maps(model, given)
    assert maps.across == ["across"]
    np.testing.assert_allclose(maps["across"], expected, atol=1e-6)
