"""Block-sparse attention: layouts, patterns, groups."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import BlockSparseAttention
from keras_attention.attention.core import softmax
from keras_attention.attention.sparse import gathered_blocks
from tests.attention import reference
from tests.attention.flex import causal, flex_attention
from tests.attention.reference import EveryHook
from tests.tools import gradients, in_graph, near, randomize, to_numpy

BATCH, HEADS, DIM = 2, 4, 12


def make(rng, **options):
    layer = BlockSparseAttention(HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def as_given(layout):
    """What is the same for all heads is given without their axis."""
    return layout[0] if len(layout) == 1 else layout


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def expand(layout, block_size, length, key_length=None):
    """A layout of blocks as a mask `(1, heads or 1, length, key_length)`."""
    layout = np.asarray(layout)
    layout = layout if layout.ndim == 3 else layout[None]
    mask = layout.repeat(block_size, 1).repeat(block_size, 2)
    return mask[None, :, :length, : key_length or length]


def pattern_layout(name, number, window=2, stride=8, num_summary=1):
    """The definitions of the patterns, block by block."""
    i, j = np.ogrid[:number, :number]
    near = abs(i - j) < window
    return {
        "dense": np.ones((number, number), bool),
        "local": near,
        "strided": near | ((i - j) % stride == 0),
        "fixed": (i // stride == j // stride)
        | (j % stride >= stride - num_summary),
    }[name]


def scattered(rng, heads, number, key_number=None):
    """Rows that see few blocks, many, or none."""
    share = rng.random((heads, number, 1))
    return rng.random((heads, number, key_number or number)) < share


@pytest.mark.full
@pytest.mark.parametrize(
    ("length", "block_size", "heads", "kv_heads"),
    [(29, 3, 1, 2), (28, 4, HEADS, 4)],
)
def test_a_layout_agrees_with_flex(rng, length, block_size, heads, kv_heads):
    layout = scattered(rng, heads, -(-length // block_size))
    layout[:, 2] = False  # a block of queries that sees nothing
    layer = make(
        rng,
        block_size=block_size,
        layout=as_given(layout).tolist(),
        num_kv_heads=kv_heads,
    )
    x = draw(rng, length)
    mask = expand(layout, block_size, length)
    near(layer(x), flex_attention(layer, x, mask))
    padding = rng.random((BATCH, length)) < 0.7
    mask = mask & padding[:, None, None]
    near(layer(x, padding_mask=padding), flex_attention(layer, x, mask))
    output = layer(x, padding_mask=padding, use_causal_mask=True)
    near(output, flex_attention(layer, x, mask & causal(length)))


@pytest.mark.few
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dense", {}),
        ("local", {"window": 3}),
        ("strided", {"window": 1, "stride": 2}),
        ("strided", {}),
        ("fixed", {"stride": 3, "num_summary": 2}),
    ],
)
def test_a_pattern_agrees_with_flex_at_any_length(rng, name, options):
    layer = make(rng, block_size=2, layout=name, layout_options=options)
    for length in (37, 3):
        x = draw(rng, length)
        layout = pattern_layout(name, -(-length // 2), **options)
        mask = expand(layout, 2, length)
        near(layer(x), flex_attention(layer, x, mask))
        output = layer(x, use_causal_mask=True)
        near(output, flex_attention(layer, x, mask & causal(length)))


def test_a_layout_across_two_sequences_agrees_with_flex(rng):
    layout = scattered(rng, HEADS, 4, 6)
    layer = make(rng, block_size=5, layout=layout)
    x, source = draw(rng, 17), draw(rng, 29)
    mask = expand(layout, 5, 17, 29)
    near(layer(x, source), flex_attention(layer, x, mask, source))


def test_a_dense_mask_holds_inside_the_blocks(rng):
    layout = scattered(rng, HEADS, 4)
    layer = make(rng, block_size=5, layout=layout)
    x, dense = draw(rng, 17), rng.random((BATCH, 17, 17)) < 0.5
    mask = expand(layout, 5, 17) & dense[:, None]
    near(layer(x, attention_mask=dense), flex_attention(layer, x, mask))


@pytest.mark.parametrize("heads", [1, HEADS])
@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_a_position_acts_in_every_block(rng, heads, use_causal_mask):
    layout = scattered(rng, heads, 5)
    position = EveryHook()
    layer = make(rng, block_size=3, layout=as_given(layout), position=position)
    x = draw(rng, 13)
    parts = layer.query_dense, layer.key_dense, layer.value_dense
    query, key, value = (to_numpy(dense(x)) for dense in parts)
    mask = np.broadcast_to(expand(layout, 3, 13), (BATCH, HEADS, 13, 13))
    # The reference masks all heads alike, so each is asked for by itself.
    mixed = [
        reference.attention(
            query, key, value, mask[:, head], position, use_causal_mask
        )[0][:, :, head]
        for head in range(HEADS)
    ]
    expected = layer.output_dense(np.stack(mixed, 2).astype("float32"))
    near(layer(x, use_causal_mask=use_causal_mask), expected, 1e-5)


@pytest.mark.full
@pytest.mark.parametrize(
    "position", [pytest.param(None, marks=pytest.mark.slow), EveryHook]
)
def test_groups_of_blocks_give_the_same_numbers(rng, monkeypatch, position):
    layer = make(
        rng,
        block_size=2,
        layout=scattered(rng, HEADS, 9),
        position=position and position(),
    )
    x, padding = draw(rng, 17), rng.random((BATCH, 17)) < 0.7
    weights = ops.convert_to_tensor(draw(rng, 17))

    def loss(x):
        output = layer(x, padding_mask=padding, use_causal_mask=True)
        return ops.sum(output * weights)

    value, expected = gradients(in_graph(loss), x, layer=layer)
    monkeypatch.setattr(gathered_blocks, "_GROUP", 1)
    again, found = gradients(in_graph(loss), x, layer=layer)
    near(again, value, 1e-4)
    for gradient, other in zip(found, expected, strict=True):
        near(gradient, other, 1e-4)


def test_rows_that_see_few_blocks_cost_few(rng, monkeypatch):
    layout = np.eye(16, dtype=bool)
    layout[0] = True
    layer = make(rng, block_size=2, layout=layout)
    scores, original = [], softmax.softmax

    def spy(found):
        scores.append(int(np.prod(found.shape)))
        return original(found)

    monkeypatch.setattr(softmax, "softmax", spy)
    x = draw(rng, 32)
    near(layer(x), flex_attention(layer, x, expand(layout, 2, 32)))
    assert sum(scores) == BATCH * HEADS * layout.sum() * 2 * 2


@pytest.mark.full
@pytest.mark.parametrize("heads", [1, HEADS])
def test_decoding_with_a_layout_gives_the_full_pass(rng, heads):
    layout = as_given(scattered(rng, heads, 6))
    layer = make(rng, block_size=3, layout=layout)
    x = draw(rng, 17)
    padding = rng.random((BATCH, 17)) < 0.7
    expected = to_numpy(layer(x, padding_mask=padding, use_causal_mask=True))
    for borders in ([0, 17], [0, 4, 5, 6, 13, 17], [0, 1, 2, 6, 7, 17]):
        cache, outputs = layer.init_cache(BATCH, 18), []
        for start, stop in zip(borders, borders[1:], strict=False):
            output, cache = layer(
                x[:, start:stop],
                padding_mask=padding[:, start:stop],
                cache=cache,
                start=start,
            )
            outputs.append(to_numpy(output))
        near(np.concatenate(outputs, axis=1), expected)


@keras.saving.register_keras_serializable(package="test_block_sparse")
def first_and_own(rows, num_blocks, num_heads, causal, times=1):
    """The first block and the own one, each of them several times."""
    own = ops.repeat(rows[None, :, None], times, axis=-1)
    return ops.concatenate([own, ops.zeros_like(own), own - 1000], axis=-1)


@pytest.mark.full
def test_a_function_is_a_layout(rng, tmp_path):
    layer = make(
        rng,
        block_size=2,
        layout=first_and_own,
        layout_options={"times": 3},
    )
    x = draw(rng, 11)
    layout = np.eye(6, dtype=bool)
    layout[:, 0] = True
    near(layer(x), flex_attention(layer, x, expand(layout, 2, 11)))
    config = json.loads(json.dumps(layer.get_config()))
    again = BlockSparseAttention.from_config(config)
    assert again.layout is first_and_own
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    near(keras.saving.load_model(tmp_path / "model.keras")(x), layer(x))


@pytest.mark.full
def test_an_array_survives_a_file(rng, tmp_path):
    layer = make(rng, block_size=4, layout=scattered(rng, HEADS, 3))
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    x = draw(rng, 11)
    near(keras.saving.load_model(tmp_path / "model.keras")(x), layer(x))


def test_more_blocks_than_the_layout_has_are_refused(rng):
    layer = make(rng, block_size=2, layout=np.ones((3, 4), bool))
    layer(draw(rng, 5), draw(rng, 8))
    with pytest.raises(ValueError, match="layout.*6 positions.*query.*7"):
        layer(draw(rng, 7), draw(rng, 8))
    with pytest.raises(ValueError, match="layout.*8 positions.*key.*9"):
        layer(draw(rng, 5), draw(rng, 9))
    with pytest.raises(ValueError, match="layout.*6 positions.*query.*7"):
        layer(draw(rng, 1), cache=layer.init_cache(BATCH, 8), start=6)
    with pytest.raises(ValueError, match="layout.*8 positions.*key.*9"):
        layer(draw(rng, 1), cache=layer.init_cache(BATCH, 9))
    with pytest.raises(ValueError, match="layout.*6 positions.*query.*7"):
        layer.attention_weights(draw(rng, 7))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "diagonal"}, "layout.*'local'.*'diagonal'"),
        ({"layout": [[0.5, 1.0]]}, "layout.*float"),
        ({"layout": [[True], [True, False]]}, "layout.*True"),
        ({"layout": [True]}, r"layout.*\(1,\)"),
        ({"layout": np.ones((0, 3), bool)}, r"layout.*\(0, 3\)"),
        ({"layout": np.ones((3, 2, 2), bool)}, "layout.*num_heads=4"),
        ({"layout": lambda rows, *_: rows}, "layout.*width"),
        ({"layout": None}, "layout.*None"),
        ({"layout": [[True]], "layout_options": {"window": 1}}, "window"),
        ({"layout": "local", "layout_options": {"window": 0}}, "window.*0"),
        ({"layout_options": {"stride": 1, "window": 2}}, "stride.*1"),
        (
            {"layout": "fixed", "layout_options": {"num_summary": 9}},
            "num_summary=9.*stride=8",
        ),
        ({"block_size": 0}, "block_size.*0"),
    ],
)
def test_what_is_no_layout_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        BlockSparseAttention(HEADS, **options)


def test_an_option_that_a_pattern_does_not_take_is_refused():
    with pytest.raises(ValueError, match="layout_options.*windows"):
        BlockSparseAttention(HEADS, layout_options={"windows": 3})


def test_groups_draw_dropout_of_their_own(rng):
    """Groups of one form that see the same are dropped differently."""
    layout = np.eye(4, dtype=bool)
    layout[0] = True  # so that there are two groups
    layer = make(rng, block_size=2, layout=layout, dropout=0.5)
    x = np.broadcast_to(draw(rng, 1), (BATCH, 8, DIM))
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    rows = first[:, 2:].reshape(-1, DIM).round(5)
    assert len(np.unique(rows, axis=0)) > len(rows) // 2
