"""Sparse Transformer attention: strided and fixed patterns."""

import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, SparseTransformerAttention
from tests.attention import reference
from tests.attention.flex import causal, flex_attention
from tests.attention.reference import EveryHook
from tests.tools import near, randomize, to_numpy

BATCH, HEADS, DIM = 2, 4, 12
SHAPES = [
    (29, {"pattern": "strided", "stride": 5}),
    (24, {"pattern": "strided", "stride": 3, "num_kv_heads": 2}),
    (29, {"pattern": "fixed", "stride": 5, "num_summary": 2}),
    (
        24,
        {"pattern": "fixed", "stride": 4, "num_summary": 1, "num_kv_heads": 2},
    ),
    (6, {"pattern": "fixed", "stride": 3, "num_summary": 3}),
    (7, {"pattern": "strided", "stride": 1}),
]


def make(rng, cls=SparseTransformerAttention, **options):
    layer = cls(HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def seen(length, pattern, stride, num_summary=8, **_):
    """The paper's sets of keys, for all queries, past and future."""
    mask = np.zeros((length, length), bool)
    for i in range(length):
        for j in range(length):
            if pattern == "strided":
                near_by = abs(i - j) < stride
                mask[i, j] = near_by or (i - j) % stride == 0
            else:
                near_by = i // stride == j // stride
                mask[i, j] = near_by or j % stride >= stride - num_summary
    return mask


@pytest.mark.few
@pytest.mark.parametrize(("length", "options"), SHAPES)
def test_it_agrees_with_flex(rng, length, options):
    layer = make(rng, **options)
    x, padding = draw(rng, length), rng.random((BATCH, length)) < 0.7
    mask = seen(length, **options)
    near(layer(x), flex_attention(layer, x, mask))
    past = mask & causal(length)
    output = layer(x, use_causal_mask=True)
    near(output, flex_attention(layer, x, past))
    mask = padding[:, None, None] & mask
    near(layer(x, padding_mask=padding), flex_attention(layer, x, mask))
    output = layer(x, padding_mask=padding, use_causal_mask=True)
    mask = padding[:, None, None] & past
    near(output, flex_attention(layer, x, mask))


@pytest.mark.parametrize("use_causal_mask", [False, True])
@pytest.mark.parametrize(("length", "options"), SHAPES[::2])
def test_every_hook_of_a_position(rng, length, options, use_causal_mask):
    layer = make(rng, position=EveryHook(), **options)
    x = draw(rng, length)
    parts = layer.query_dense, layer.key_dense, layer.value_dense
    query, key, value = (to_numpy(dense(x)) for dense in parts)
    mask = np.broadcast_to(seen(length, **options), (BATCH, length, length))
    mixed, weights = reference.attention(
        query, key, value, mask, layer.position, use_causal_mask
    )
    expected = layer.output_dense(mixed.astype("float32"))
    arguments = {"use_causal_mask": use_causal_mask}
    near(layer(x, **arguments), expected)
    near(layer.attention_weights(x, **arguments), weights)


@pytest.mark.full
@pytest.mark.parametrize(("length", "options"), SHAPES[:4:2])
def test_pieces_of_any_length_give_the_full_pass(rng, length, options):
    layer = make(rng, position=EveryHook(), **options)
    x, padding = draw(rng, length), rng.random((BATCH, length)) < 0.7
    expected = layer(x, padding_mask=padding, use_causal_mask=True)
    for borders in (
        [0, 1, 2, 9, 10, length],
        [0, 7, 14, 15, length],
    ):
        cache, outputs = layer.init_cache(BATCH, length + 4), []
        for start, stop in zip(borders, borders[1:], strict=False):
            output, cache = layer(
                x[:, start:stop],
                padding_mask=padding[:, start:stop],
                cache=cache,
                start=start,
            )
            outputs.append(to_numpy(output))
        near(np.concatenate(outputs, axis=1), expected)


def test_scores_as_high_and_as_low_as_they_come(rng):
    """The two halves of the keys may lie far apart."""
    layer = make(rng, stride=3)
    x = draw(rng, 17)
    x[:, :4] *= 60.0
    mask = seen(17, "strided", 3)
    expected = flex_attention(layer, x, mask)
    assert np.isfinite(expected).all()
    near(layer(x), expected, 1e-4, 1e-4)


def test_a_stride_beyond_the_length_is_exact_attention(rng):
    for pattern in ("strided", "fixed"):
        layer = make(rng, pattern=pattern)
        dense = make(rng, MultiHeadAttention)
        dense.set_weights(layer.get_weights())
        x = draw(rng, 11)
        near(layer(x, use_causal_mask=True), dense(x, use_causal_mask=True))


def test_the_fixed_cache_is_refused_more_than_it_holds(rng):
    layer = make(rng, pattern="fixed", stride=4, num_summary=1)
    cache = layer.init_cache(BATCH, 8)
    with pytest.raises(ValueError, match="max_length=8.*start=7, length=2"):
        layer(draw(rng, 2), cache=cache, start=7)
    with pytest.raises(ValueError, match="start.*-1"):
        layer(draw(rng, 2), cache=cache, start=-1)


def test_dropout_keeps_the_mean(rng):
    layer = make(rng, stride=3, dropout=0.3, use_bias=False)
    x = draw(rng, 8)
    drawn = layer(np.tile(x, (500, 1, 1)), training=True)
    drawn = to_numpy(drawn).reshape((500, *x.shape))
    deviation = np.std(drawn, axis=0).mean() / np.sqrt(500)
    error = np.abs(np.mean(drawn, axis=0) - to_numpy(layer(x))).mean()
    assert error < 2 * deviation


def test_a_long_sequence_has_no_square_of_scores(rng, monkeypatch):
    from keras_attention.attention.sparse import online_softmax

    sizes, original = [], online_softmax.add_mask

    def spy(scores, mask):
        sizes.append(int(np.prod(scores.shape)) // (BATCH * HEADS))
        return original(scores, mask)

    monkeypatch.setattr(online_softmax, "add_mask", spy)
    for pattern in ("strided", "fixed"):
        sizes.clear()
        layer = make(rng, pattern=pattern, stride=32, num_summary=1)
        layer(ops.zeros((BATCH, 1024, DIM)), use_causal_mask=True)
        assert sum(sizes) <= 3 * 1024 * 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "local"}, "pattern.*strided.*local"),
        ({"stride": 0}, "stride.*0"),
        ({"stride": None}, "stride.*None"),
        ({"num_summary": 0}, "num_summary.*0"),
        ({"pattern": "fixed", "stride": 4}, "num_summary=8.*stride=4"),
    ],
)
def test_what_makes_no_pattern_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        SparseTransformerAttention(HEADS, **options)
