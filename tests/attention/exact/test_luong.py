"""Luong's attention against the equations of the paper in float64."""

import numpy as np
import pytest
from keras import ops

from keras_attention import LuongAttention, RotaryEmbedding
from tests.attention.exact import context
from tests.models import small
from tests.tools import gradients, in_graph, near, randomize, to_numpy

BATCH, LENGTH, KEY_LENGTH, DIM = 2, 11, 13, 20
SCORES = ("dot", "general", "concat")
LOCALS = (None, "monotonic", "predictive")


def scores_of(layer, queries, source):
    """`(batch, heads, query_length, key_length)` from split queries."""
    keys = context.project(layer.key_dense, source, layer.num_kv_heads)
    keys = np.repeat(keys, layer.num_heads // layer.num_kv_heads, axis=2)
    if layer.score != "concat":
        return np.einsum("bthd,bshd->bhts", queries, keys)
    kernel, vector = map(to_numpy, (layer.score_kernel, layer.score_vector))
    mapped = np.einsum("bthd,hde->bthe", queries, kernel)
    hidden = np.tanh(mapped[:, :, None] + keys[:, None])
    return np.einsum("btshd,hd->bhts", hidden, vector)


def place_of(layer, query, head):
    """sigmoid(v_p' tanh(W_p h)) of one query `(head_dim,)`."""
    kernel, vector = map(to_numpy, (layer.place_kernel, layer.place_vector))
    return 1 / (1 + np.exp(-vector[head] @ np.tanh(query @ kernel[head])))


def aligned(layer, queries, scores, mask):
    """The weights of every query on its own, window by window."""
    weights = np.zeros(scores.shape)
    for b, h, t in np.ndindex(*scores.shape[:3]):
        keys = np.flatnonzero(mask[b, t])
        places, factor = np.arange(len(keys)), np.ones(len(keys))
        if layer.local == "monotonic":
            places = keys - t
        elif layer.local == "predictive":
            fraction = place_of(layer, queries[b, t, h], h)
            places = places - len(keys) * fraction
            deviation = layer.window_size / 2
            factor = np.exp(-(places**2) / (2 * deviation**2))
        inside = np.ones(len(keys), bool)
        if layer.local is not None:
            inside = np.abs(places) <= layer.window_size
        chosen = scores[b, h, t, keys[inside]]
        raised = np.exp(chosen - chosen.max(initial=-1e9))
        raised = raised / max(raised.sum(), 1e-30) * factor[inside]
        weights[b, h, t, keys[inside]] = raised
    return weights


def expected(layer, query, source, mask):
    queries = np.asarray(query, "float64")
    queries = queries.reshape(*query.shape[:2], layer.num_heads, -1)
    scores = scores_of(layer, queries, source)
    weights = aligned(layer, queries, scores, mask)
    values = context.project(layer.value_dense, source, layer.num_kv_heads)
    values = np.repeat(values, layer.num_heads // layer.num_kv_heads, axis=2)
    mixed = np.einsum("bhts,bshd->bthd", weights, values)
    return context.project_output(layer.output_dense, mixed), weights


def make(rng, score, local, num_heads=4, **options):
    if local is not None:
        options["window_size"] = 3
    layer = LuongAttention(num_heads, score=score, local=local, **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng, 0.4)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    return rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("local", LOCALS)
def test_the_definition(rng, x, score, local):
    layer = make(rng, score, local)
    padding = rng.random((BATCH, LENGTH)) < 0.7
    dense = rng.random((BATCH, LENGTH, LENGTH)) < 0.7
    dense[0, 3] = False
    shape = (BATCH, LENGTH, LENGTH)
    for masks in (
        {"padding_mask": padding},
        {"padding_mask": padding, "use_causal_mask": True},
        {"padding_mask": padding, "attention_mask": dense},
    ):
        mask = context.visible(
            padding,
            masks.get("attention_mask"),
            "use_causal_mask" in masks,
            shape,
        )
        output, weights = expected(layer, x, x, mask)
        near(layer(x, **masks), output)
        near(layer.attention_weights(x, **masks), weights)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("local", LOCALS)
def test_one_head_without_projections_is_the_paper(
    rng, x, source, score, local
):
    layer = make(rng, score, local, num_heads=1, use_projections=False)
    mask = np.ones((BATCH, LENGTH, KEY_LENGTH), bool)
    output, weights = expected(layer, x, source, mask)
    near(output, weights[:, 0] @ source)  # the context vectors
    near(layer(x, source), output)
    blocks = make(
        rng,
        score,
        local,
        num_heads=1,
        use_projections=False,
        query_block_size=4,
    )
    blocks.set_weights(layer.get_weights())
    near(blocks(x, source), output)


def test_dot_has_no_weights(rng):
    assert not make(rng, "dot", None, use_projections=False).weights


def test_a_general_score_and_values_of_other_widths(rng, x):
    layer = LuongAttention(2, num_kv_heads=1)
    source = rng.normal(size=(BATCH, KEY_LENGTH, 7)).astype("float32")
    layer.build(x.shape, source.shape)
    randomize(layer, rng)
    mask = np.ones((BATCH, LENGTH, KEY_LENGTH), bool)
    near(layer(x, source), expected(layer, x, source, mask)[0])


@pytest.mark.full
@pytest.mark.parametrize("score", ["general", "concat"])
@pytest.mark.parametrize("local", ["monotonic", "predictive"])
def test_blocks_have_the_gradients_of_all_at_once(rng, x, score, local):
    whole = make(rng, score, local, query_block_size=None)
    blocks = make(rng, score, local, query_block_size=4)
    blocks.set_weights(whole.get_weights())
    found = []
    for layer in (whole, blocks):
        loss = in_graph(
            lambda x, layer=layer: ops.sum(layer(x, use_causal_mask=True) ** 2)
        )
        found.append(gradients(loss, x, layer=layer)[1])
    paths = ["x", *(v.path for v in whole.trainable_variables)]
    for path, other, gradient in zip(paths, *found, strict=True):
        near(gradient, other, 1e-4)
        # The bias of a key moves all scores of a query alike.
        idle = score == "general" and path.endswith("key/bias")
        assert idle or np.abs(other).max() > 0


def test_padding_anywhere_is_not_counted(rng, x, source):
    layer = make(rng, "general", "predictive")
    mask = np.ones((BATCH, KEY_LENGTH), bool)
    mask[:, :2] = mask[:, 5] = False
    bare = np.stack([row[keep] for row, keep in zip(source, mask, strict=True)])
    near(layer(x, source, padding_mask=mask), layer(x, bare))


def test_a_place_is_exact_to_a_key_in_half_precision(rng):
    length = 1500
    exact = LuongAttention(1, 8, score="dot", local="predictive", window_size=2)
    exact.build((1, 1, 8))
    half = LuongAttention.from_config(
        {**exact.get_config(), "dtype": "bfloat16"}
    )
    half.build((1, 1, 8))
    randomize(exact, rng, 0.5)
    # What bfloat16 holds exactly, so that only the arithmetic differs.
    exact.set_weights(
        [to_numpy(ops.cast(w, "bfloat16")) for w in exact.get_weights()]
    )
    half.set_weights(exact.get_weights())
    query = to_numpy(ops.cast(rng.normal(size=(1, 5, 8)), "bfloat16"))
    keys = np.zeros((1, length, 8), "float32")
    near(
        half.attention_weights(query, keys),
        to_numpy(exact.attention_weights(query, keys)),
        5e-3,
    )


@pytest.mark.full
def test_a_monotonic_window_moves_with_decoding(rng):
    model = small.encoder_decoder(
        rng,
        cross_attention=LuongAttention(3, local="monotonic", window_size=1),
        dropout=0.0,
    )
    inputs = small.pairs(rng, ragged=False)
    expected = to_numpy(model(inputs))
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, 7)
    for start in range(7):
        piece = ops.convert_to_tensor(inputs["target_ids"][:, [start]])
        logits, cache = model.step(piece, cache, memory, start)
        near(logits, expected[:, start])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"score": "sum"}, "score must be one of .*'general'.*'sum'"),
        ({"local": "local-p"}, "local must be one of .*'predictive'.*local-p"),
        ({"window_size": 3}, "window_size is for local"),
        ({"local": "monotonic", "window_size": 0}, "window_size.*positive.*0"),
        ({"score": "dot", "num_kv_heads": 2}, "general.*num_kv_heads=2"),
        (
            {"score": "concat", "position": RotaryEmbedding()},
            "rotation of RotaryEmbedding",
        ),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LuongAttention(4, **options)


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="its query.*= 12 wide.*: 20"):
        LuongAttention(4, 3).build((None, None, 20))
    with pytest.raises(ValueError, match="its key.*= 20 wide.*: 7"):
        LuongAttention(4, score="dot").build((None, None, 20), (None, None, 7))
