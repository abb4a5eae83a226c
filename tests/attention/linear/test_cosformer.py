"""cosFormer against its definition in float64."""

import numpy as np
import pytest

from keras_attention import CosformerAttention
from tests.attention.linear import features
from tests.tools import near, to_numpy

MOST = 109


def make(heads=(3, 3), head_dim=5, max_length=MOST, **options):
    layer = CosformerAttention(
        heads[0], head_dim, heads[1], max_length=max_length, **options
    )
    layer.build((None, None, 7))
    return layer


def expected(query, key, value, mask, start=0, most=MOST):
    query, key = (
        np.maximum(x.astype("float64"), 0.0).swapaxes(1, 2)
        for x in (query, key)
    )
    key = np.repeat(key, query.shape[1] // key.shape[1], axis=1)
    distance = start + np.arange(query.shape[2])[:, None]
    distance = distance - np.arange(key.shape[2])
    weights = query @ key.swapaxes(2, 3) * np.cos(np.pi / 2 * distance / most)
    weights = weights * mask[:, None]
    total = weights.sum(axis=-1, keepdims=True)
    return features.mix(weights / np.where(total > 0, total, 1.0), value)


@pytest.mark.parametrize("heads", [(3, 3), (4, 2)])
@pytest.mark.parametrize("causal", [False, True])
def test_definition(rng, heads, causal):
    layer = make(heads, chunk_size=3)
    for length in (103, 11):
        parts = features.heads(rng, layer, length)
        keep = features.padding(rng, length)
        mask = features.mask_of(keep, length, causal)
        output = expected(*parts, mask)
        near(features.attend(layer, *parts, keep, causal), output)


@pytest.mark.parametrize("length, start", [(1, 0), (2, 5), (11, 3)])
def test_both_sequences_count_from_their_own_start(rng, length, start):
    layer = make((4, 2))
    parts = features.heads(rng, layer, length, key_length=13)
    keep = features.padding(rng, 13)
    mask = features.mask_of(keep, length, False)
    output = expected(*parts, mask, start)
    near(features.attend(layer, *parts, keep, False, start), output)


def test_any_split_gives_the_whole(rng):
    layer = make((4, 2), chunk_size=3)
    features.check_split(rng, layer, 23, [0, 1, 2, 9, 10, 23])


def test_the_farthest_position_weighs_almost_nothing(rng):
    layer = make(max_length=7)
    x = np.ones((1, 7, 7), "float32")
    weights = to_numpy(layer.attention_weights(x))[0]
    counts = weights.max(axis=(1, 2)) > 0
    weights = weights[counts][:, 0]
    cosine = np.cos(np.pi / 2 * np.arange(7) / 7)
    near(weights, np.broadcast_to(cosine / cosine.sum(), weights.shape))


def test_positions_beyond_the_maximum_are_refused(rng):
    layer = make(max_length=5)
    x = np.ones((2, 6, 7), "float32")
    layer(x[:, :5])
    cache = layer.init_cache(2, 5)
    for call in (
        lambda: layer(x),
        lambda: layer(x[:, :1], x),
        lambda: layer.init_cache(2, 6),
        lambda: layer(x[:, :2], cache=cache, start=4),
    ):
        with pytest.raises(ValueError, match="max_length=5"):
            call()
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="max_length"):
            CosformerAttention(2, max_length=wrong)
    with pytest.raises(ValueError, match="rotation"):
        CosformerAttention(2, position="rotary")


def test_places_beyond_the_longest_are_refused_everywhere(rng):
    layer = make(max_length=8)
    x = rng.normal(size=(2, 5, 7)).astype("float32")
    with pytest.raises(ValueError, match="max_length=8"):
        layer.attention_weights(np.concatenate([x, x], axis=1))
    memory = layer.init_memory(x)
    for arguments in ({"value": x + 1}, {"memory": memory}):
        layer(x[:, :2], start=6, **arguments)
        with pytest.raises(ValueError, match="max_length=8"):
            layer(x[:, :2], start=7, **arguments)
