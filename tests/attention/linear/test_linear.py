"""Linear attention against its definition in float64."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LinearAttention
from tests.attention.linear import features
from tests.tools import gradients, near, to_numpy

LENGTH = 103  # in chunks of three: two pieces, the last chunk not full


@keras.saving.register_keras_serializable(package="tests")
def squared(x):
    return ops.square(x)


MAPS = {
    "elu": lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "softmax": lambda x: features.softmax(x, -1),
    "squared": np.square,
}


def make(feature_map="elu", heads=(3, 3), head_dim=5, **options):
    if feature_map == "squared":
        feature_map = squared
    layer = LinearAttention(
        heads[0], head_dim, heads[1], feature_map=feature_map, **options
    )
    layer.build((None, None, 7))
    return layer


def expected(feature_map, query, key, value, mask):
    function = MAPS[feature_map]
    weights = features.weigh(
        *(function(x.astype("float64")) for x in (query, key)), mask
    )
    return features.mix(weights, value), weights


@pytest.mark.few
@pytest.mark.parametrize("heads", [(3, 3), (4, 2)])
@pytest.mark.parametrize("feature_map", MAPS)
def test_definition(rng, feature_map, heads):
    layer = make(feature_map, heads, chunk_size=3)
    for length, causal in ((LENGTH, True), (11, True), (11, False)):
        parts = features.heads(rng, layer, length)
        keep = features.padding(rng, length)
        mask = features.mask_of(keep, length, causal)
        output, _ = expected(feature_map, *parts, mask)
        near(features.attend(layer, *parts, keep, causal), output)


def test_softmax_features_in_the_words_of_the_formula(rng):
    layer = LinearAttention(2, 4, feature_map="softmax", use_bias=False)
    x = rng.normal(size=(2, 11, 7)).astype("float32")
    layer.build(x.shape)
    q, k, v = (
        np.einsum("btm,mhd->bhtd", x, to_numpy(dense.kernel))
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    q, k = features.softmax(q, -1), features.softmax(k, -1)
    total = q @ k.sum(axis=2)[..., None]
    output = q @ (k.swapaxes(2, 3) @ v) / total
    kernel = to_numpy(layer.output_dense.kernel)
    near(layer(x), np.einsum("bhtd,hdm->btm", output, kernel))


@pytest.mark.parametrize("length", [1, 2, 11])
def test_few_queries_see_what_many_do(rng, length):
    layer = make(heads=(4, 2))
    parts = features.heads(rng, layer, length, key_length=13)
    keep = features.padding(rng, 13)
    mask = features.mask_of(keep, length, False)
    output, _ = expected("elu", *parts, mask)
    near(features.attend(layer, *parts, keep, False), output)


@pytest.mark.parametrize("start, keys", [(0, 13), (0, 4), (3, 13), (9, 5)])
def test_causal_cross_attention_goes_by_position(rng, start, keys):
    layer = make(heads=(4, 2), chunk_size=3)
    query, key, value = features.heads(rng, layer, 7, key_length=keys)
    keep = features.padding(rng, keys)
    mask = features.mask_of(keep, 7, True, start)
    output, _ = expected("elu", query, key, value, mask)
    found = features.attend(layer, query, key, value, keep, True, start)
    near(found, output)


@pytest.mark.parametrize("causal", [False, True])
def test_loops_change_neither_numbers_nor_gradients(rng, monkeypatch, causal):
    whole, cut = make(chunk_size=128), make(chunk_size=3)
    parts = features.heads(rng, whole, LENGTH)
    keep = features.padding(rng, LENGTH)
    target = ops.convert_to_tensor(rng.normal(size=parts[0].shape))

    def differentiate(layer):
        def loss(*parts):
            output = features.attend(layer, *parts, keep, causal)
            return ops.sum(output * ops.cast(target, output.dtype))

        return gradients(loss, *parts)

    value, slopes = differentiate(whole)
    values = [differentiate(cut)]
    features.make_all_large(monkeypatch)
    values.append(differentiate(cut))
    for other, others in values:
        near(other, value, 1e-4)
        for one, two in zip(slopes, others, strict=True):
            near(two, one)


def test_weights_are_what_mixes(rng):
    layer = make(heads=(4, 2), use_bias=False)
    x = rng.normal(size=(2, 11, 7)).astype("float32")
    keep = features.padding(rng, 11)
    weights = layer.attention_weights(
        x, padding_mask=keep, use_causal_mask=True
    )
    query, key, value = layer.query_dense(x), *layer.project_source(x, x)
    query, key, value = to_numpy([query, key, value])
    mask = features.mask_of(keep, 11, True)
    near(weights, expected("elu", query, key, value, mask)[1])


def test_any_split_gives_the_whole(rng):
    layer = make(heads=(4, 2), chunk_size=3)
    features.check_split(rng, layer, 23, [0, 1, 2, 9, 10, 23])


def test_features_that_are_zero_weigh_nothing(rng):
    layer = make("relu")
    query, key, value = features.heads(rng, layer, 7)
    query[0, 2] = -np.abs(query[0, 2])
    keep = np.ones((2, 7), bool)
    for causal in (False, True):

        def loss(query, key, value, causal=causal):
            output = features.attend(layer, query, key, value, keep, causal)
            return ops.sum(output**2)

        output = features.attend(layer, query, key, value, keep, causal)
        assert np.all(to_numpy(output)[0, 2] == 0)
        assert np.abs(to_numpy(output)[0, 3]).max() > 0
        _, slopes = gradients(loss, query, key, value)
        assert all(np.isfinite(slope).all() for slope in slopes)


def test_sums_of_half_precision_are_float32(rng):
    layer = make(dtype="mixed_float16")
    cache = layer.init_cache(2, 9)
    x = np.ones((2, 3000, 7), "float16")
    _, cache = layer(x, cache=cache, start=0)
    # More than float16 can hold, and more digits than it has.
    assert {
        keras.backend.standardize_dtype(leaf.dtype) for leaf in cache.values()
    } == {"float32"}
    one, _ = layer(x[:, :1], cache=layer.init_cache(2, 9), start=0)
    last, _ = layer(x[:, :1], cache=cache, start=3000)
    near(last, one, 1e-3)


def test_a_registered_function_survives_its_configuration():
    for function in (squared, keras.activations.softplus):
        config = json.loads(json.dumps(make(function).get_config()))
        assert LinearAttention.from_config(config).feature_map is function


def test_what_is_no_feature_map_is_refused():
    unregistered = lambda x: x
    for wrong in ("exp", 3, keras.layers.Dense(3), unregistered):
        with pytest.raises(ValueError, match="feature_map.*elu"):
            LinearAttention(2, feature_map=wrong)
    for wrong in (0, 2.0, True):
        with pytest.raises(ValueError, match="chunk_size"):
            LinearAttention(2, chunk_size=wrong)
