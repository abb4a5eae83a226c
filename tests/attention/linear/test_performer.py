"""Performer against its authors' formula, another code and the softmax."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import PerformerAttention
from keras_attention.attention.linear.performer import orthogonal_directions
from tests.attention import reference
from tests.attention.linear import features
from tests.tools import BACKEND, gradients, in_graph, near, to_numpy


def make(heads=(3, 3), head_dim=5, num_features=17, seed=3, **options):
    layer = PerformerAttention(
        heads[0],
        head_dim,
        heads[1],
        num_features=num_features,
        seed=seed,
        **options,
    )
    layer.build((None, None, 7))
    return layer


def expected(layer, query, key, value, mask):
    def function(x):
        x = x.astype("float64") * x.shape[-1] ** -0.25
        directions = to_numpy(layer.directions).astype("float64")
        half = 0.5 * np.sum(x**2, axis=-1, keepdims=True)
        return np.exp(x @ directions.T - half)

    weights = features.weigh(function(query), function(key), mask)
    return features.mix(weights, value), weights


@pytest.mark.parametrize("heads", [(3, 3), (4, 2)])
@pytest.mark.parametrize("causal", [False, True])
def test_definition(rng, heads, causal):
    layer = make(heads, chunk_size=3)
    for length in (103, 11):
        parts = features.heads(rng, layer, length)
        keep = features.padding(rng, length)
        mask = features.mask_of(keep, length, causal)
        output, _ = expected(layer, *parts, mask)
        near(features.attend(layer, *parts, keep, causal), output)


@pytest.mark.parametrize("shape", [(2, 11, 3, 5), (1, 37, 2, 8)])
def test_agrees_with_performer_pytorch(rng, shape):
    torch = pytest.importorskip("torch", reason="the oracle")
    performer = pytest.importorskip("performer_pytorch", reason="the oracle")
    from performer_pytorch.performer_pytorch import softmax_kernel

    batch, length, heads, head_dim = shape
    theirs = performer.FastAttention(head_dim)
    count = theirs.projection_matrix.shape[0]
    layer = make((heads, heads), head_dim, None, chunk_size=4)
    assert layer.feature_dim == count == int(head_dim * np.log(head_dim))
    layer.directions.assign(theirs.projection_matrix.numpy())
    parts = [rng.normal(size=shape).astype("float32") for _ in range(3)]
    query, key, value = (torch.tensor(x).swapaxes(1, 2) for x in parts)
    # Its epsilon, which it adds to every feature, can be set here alone.
    query, key = (
        softmax_kernel(
            x,
            projection_matrix=theirs.projection_matrix,
            is_query=is_query,
            eps=0.0,
        )
        for x, is_query in ((query, True), (key, False))
    )
    output = performer.performer_pytorch.linear_attention(query, key, value)
    keep = np.ones(shape[:2], bool)
    found = features.attend(layer, *parts, keep, False)
    near(found, output.swapaxes(1, 2).numpy())


def test_more_features_come_nearer_to_the_softmax(rng):
    errors = []
    for count in (16, 256, 4096):
        layer = make(head_dim=8, num_features=count)
        found, exact = [], []
        for _ in range(3):
            parts = features.heads(rng, layer, 13, deviation=0.5)
            keep = features.padding(rng, 13)
            mask = features.mask_of(keep, 13, False)
            found.append(features.attend(layer, *parts, keep, False))
            exact.append(reference.attention(*parts, mask)[0])
        difference = np.stack(to_numpy(found)) - np.stack(exact)
        errors.append(np.sqrt(np.mean(difference**2)))
    # An unbiased estimate: sixteen times the features, a quarter of the error.
    assert errors[1] < 0.5 * errors[0] and errors[2] < 0.5 * errors[1]
    assert errors[2] < 0.05


@pytest.mark.full
@pytest.mark.parametrize("causal", [False, True])
def test_loops_change_neither_numbers_nor_gradients(rng, monkeypatch, causal):
    whole, cut = make(chunk_size=128), make(chunk_size=3)
    parts = features.heads(rng, whole, 103, deviation=2.0)
    keep = features.padding(rng, 103)
    target = ops.convert_to_tensor(rng.normal(size=parts[0].shape))

    def differentiate(layer):
        def loss(*parts):
            output = features.attend(layer, *parts, keep, causal)
            return ops.sum(output * ops.cast(target, output.dtype))

        return gradients(loss, *parts)

    value, slopes = differentiate(whole)
    features.make_all_large(monkeypatch)
    other, others = differentiate(cut)
    near(other, value, 1e-4)
    for one, two in zip(slopes, others, strict=True):
        near(two, one, 1e-4)


@pytest.mark.parametrize("deviation", [1.0, 30.0])
def test_any_split_gives_the_whole(rng, deviation):
    # Keys of a length of 100 have factors of exp(-5000): no fixed factor
    # serves them all.
    layer = make((4, 2), chunk_size=3)
    borders = [0, 1, 2, 9, 10, 23]
    features.check_split(rng, layer, 23, borders, deviation)


def test_long_keys_neither_vanish_nor_hide_others(rng):
    layer = make(chunk_size=4)
    query, key, value = features.heads(rng, layer, 12)
    keep = np.ones((2, 12), bool)
    alike = np.broadcast_to(25.0 * key[:, :1], key.shape).astype("float32")
    output = to_numpy(features.attend(layer, query, alike, value, keep, True))
    mean = np.cumsum(value, axis=1) / np.arange(1, 13)[:, None, None]
    near(output, mean)
    # What comes later, however heavy, leaves the past as it was.
    alike[:, 6:] = key[:, 6:]
    later = to_numpy(features.attend(layer, query, alike, value, keep, True))
    near(later[:, :6], mean[:, :6])
    assert np.abs(later - output)[:, 6:].max() > 0.1


def test_gradients_of_long_heads_are_finite(rng):
    layer = make(chunk_size=4)
    parts = features.heads(rng, layer, 12, deviation=30.0)
    keep = features.padding(rng, 12)
    for causal in (False, True):

        def loss(*parts, causal=causal):
            return ops.sum(features.attend(layer, *parts, keep, causal) ** 2)

        _, slopes = gradients(loss, *parts)
        assert all(np.isfinite(slope).all() for slope in slopes)


def test_float16_has_the_features_of_float32(rng):
    exact = make((4, 2))
    half = make((4, 2), dtype="float16")
    half.set_weights(exact.get_weights())
    assert half.directions.dtype == "float32"
    x = (3 * rng.normal(size=(2, 11, 7))).astype("float16")
    expected = to_numpy(exact(x.astype("float32")))
    near(half(x), expected, atol=1e-2 * np.abs(expected).max())


def test_weights_are_those_of_the_formula(rng):
    layer = make((4, 2))
    x = rng.normal(size=(2, 11, 7)).astype("float32")
    keep = features.padding(rng, 11)
    weights = layer.attention_weights(
        x, padding_mask=keep, use_causal_mask=True
    )
    parts = to_numpy([layer.query_dense(x), *layer.project_source(x, x)])
    mask = features.mask_of(keep, 11, True)
    near(weights, expected(layer, *parts, mask)[1])


def test_directions_are_orthogonal_in_blocks_and_normal(rng):
    drawn = orthogonal_directions(17, 5, seed=1)
    for block in (drawn[:5], drawn[5:10], drawn[15:]):
        products = block @ block.T
        near(products, np.diag(np.diag(products)), 1e-12)
    many = orthogonal_directions(20_000, 5, seed=2)
    near(np.mean(many**2), 1.0, 0.02)
    near(np.mean(many**4), 3.0, 0.15)
    near(many.mean(axis=0), 0.0, 0.05)


def test_the_seed_is_part_of_the_configuration(rng, tmp_path):
    layer = PerformerAttention(2, 4)
    layer.build((None, None, 7))
    config = json.loads(json.dumps(layer.get_config()))
    again = PerformerAttention.from_config(config)
    again.build((None, None, 7))
    near(again.directions, layer.directions, 0, 0)
    other = PerformerAttention(2, 4)
    other.build((None, None, 7))
    assert np.abs(to_numpy(other.directions - layer.directions)).max() > 0.1
    assert not layer.directions.trainable
    keras.utils.set_random_seed(5)
    first = PerformerAttention(2, 4).seed
    keras.utils.set_random_seed(5)
    assert PerformerAttention(2, 4).seed == first


def test_a_wrong_number_of_features_is_refused():
    for wrong in (0, 2.5, True):
        with pytest.raises(ValueError, match="num_features"):
            PerformerAttention(2, num_features=wrong)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize("causal", [False, True])
def test_a_graph_that_computes_features_again_trains(rng, monkeypatch, causal):
    layer = make(chunk_size=3)
    x = rng.normal(size=(2, 41, 7)).astype("float32")

    def loss(x):
        return ops.sum(layer(x, use_causal_mask=causal) ** 2)

    expected = gradients(loss, x)[1]
    features.make_all_large(monkeypatch)
    found = gradients(in_graph(loss), x)[1]
    near(found, expected, 1e-4)
