"""What holds for all encodings that meet queries or keys."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    MultiHeadAttention,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention import attention as attention_layers
from keras_attention.masks import Visibility
from keras_attention.positions.relative import transformer_xl
from tests.positions.content import (
    CALLS,
    DIM,
    FLAVOURS,
    HEAD_DIM,
    HEADS,
    NAMES,
    attention,
    decode,
    heads,
    make,
    tensors,
)
from tests.tools import (
    BACKEND,
    compiled,
    few,
    gradients,
    near,
    only,
    randomize,
    to_numpy,
)

LENGTH = 11
SIZES = {
    "vocabulary_size": 23,
    "num_layers": 2,
    "hidden_dim": DIM,
    "num_heads": HEADS,
    "intermediate_dim": 17,
}


@pytest.fixture(autouse=True)
def no_few_heads(monkeypatch):
    """Heads are few here, and what is in order has a path of its own."""
    monkeypatch.setattr(transformer_xl, "_FEW_HEADS", 0)


def numbers(layer, query, key, visible):
    """A function of heads to one number, in which every pair seen counts."""
    mask = visible.dense()
    if mask is None:
        mask = ops.ones((1, 1, query.shape[1], key.shape[1]), "bool")
    shape = (query.shape[0], HEADS, query.shape[1], key.shape[1])
    factors = np.cos(np.arange(np.prod(shape))).reshape(shape)
    factors = ops.convert_to_tensor(factors.astype("float32"))

    def call(query, key):
        bias = layer.bias_in(query, key, visible)
        return ops.sum(ops.where(mask, bias * factors, 0.0))

    return call


@pytest.mark.parametrize(("name", "causal"), CALLS)
@pytest.mark.parametrize(
    ("kv_heads", "start"),
    only({(HEADS, 0), (1, 4)}, itertools.product((HEADS, 1), (0, 4))),
)
def test_order_changes_no_number(rng, name, causal, kv_heads, start):
    layer = make(name, rng)
    query, key = heads(rng, 7), heads(rng, 7 + start, kv_heads)
    places = [ops.arange(start, start + 7, dtype="int32")]
    places.append(ops.arange(7 + start, dtype="int32") if start else places[0])
    ordered = Visibility(*places, causal=causal).ordered(is_self=start == 0)
    shuffled = rng.permutation(7 + start)
    moved = ordered._replace(key_positions=ops.convert_to_tensor(shuffled))
    found = gradients(
        numbers(layer, query, key, ordered), query, key, layer=layer
    )
    general = ordered._replace(is_ordered=False)
    again = gradients(
        numbers(layer, query, key, general), query, key, layer=layer
    )
    near(again[0], found[0], 1e-4)
    for first, second in zip(again[1], found[1], strict=True):
        assert np.isfinite(first).all()
        near(first, second, 1e-4)
    assert any(np.abs(x).max() > 1e-3 for x in found[1])
    bias = to_numpy(layer.bias_in(query, key, ordered))
    bias = np.broadcast_to(bias, (2, HEADS, 7, 7 + start))
    other = to_numpy(layer.bias_in(query, key[:, shuffled], moved))
    seen = np.ones((7, 7 + start), "bool")
    if causal:
        seen = np.tril(seen, start)
    near(other * seen[:, shuffled], (bias * seen)[..., shuffled])


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_differences(rng, name):
    layer = make(name, rng)
    query, key = heads(rng, 5), heads(rng, 5, 2)
    places = ops.arange(5, dtype="int32")
    visible = Visibility(places, places, causal=True).ordered(is_self=True)
    call = numbers(layer, query, key, visible)
    _, found = gradients(call, query, key, layer=layer)
    step = 1e-3
    weights = layer.get_weights()
    ways = [
        rng.normal(size=x.shape).astype("float32")
        for x in (query, key, *weights)
    ]
    ends = []
    for sign in (1, -1):
        layer.set_weights(
            [
                w + sign * step * way
                for w, way in zip(weights, ways[2:], strict=True)
            ]
        )
        moved = tensors(
            query + sign * step * ways[0], key + sign * step * ways[1]
        )
        ends.append(float(to_numpy(call(*moved))))
    expected = sum(np.sum(g * way) for g, way in zip(found, ways, strict=True))
    np.testing.assert_allclose(
        (ends[0] - ends[1]) / (2 * step), expected, rtol=2e-2, atol=2e-2
    )


@pytest.mark.parametrize(("name", "causal"), CALLS)
def test_shifting_all_positions_changes_nothing(rng, name, causal):
    layer = make(name, rng)
    query, key = tensors(heads(rng, 5), heads(rng, 7))
    places = np.arange(2, 7), np.arange(7)
    bias = to_numpy(layer.bias(query, key, *places, causal))
    shift = [x + 100_003 for x in places]
    near(layer.bias(query, key, *shift, causal), bias, 1e-4)
    ordered = Visibility(*tensors(*shift), causal=causal).ordered()
    seen = places[0][:, None] >= places[1] if causal else True
    near(to_numpy(layer.bias_in(query, key, ordered)) * seen, bias * seen, 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_positions_may_carry_a_row_for_each_row(rng, name):
    layer = make(name, rng)
    query, key = heads(rng, 5), heads(rng, 7, 2)
    queries = rng.integers(0, 9, size=(2, 5))
    keys = np.stack([rng.permutation(7), rng.permutation(7) + 1])
    bias = to_numpy(layer.bias(*tensors(query, key), queries, keys, True))
    for row in range(2):
        one = slice(row, row + 1)
        alone = layer.bias(
            *tensors(query[one], key[one]), queries[row], keys[row], True
        )
        near(bias[one], alone)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ordered", [False, True])
def test_keys_behind_the_query_or_below_0_have_finite_numbers(
    rng, name, ordered
):
    layer = make(name, rng)
    query, key = heads(rng, 3), heads(rng, 7)
    places = tensors(
        np.arange(3, dtype="int32") + 1, np.arange(7, dtype="int32") - 2
    )
    visible = Visibility(*places, causal=True)
    visible = visible.ordered() if ordered else visible
    value, found = gradients(
        lambda q, k: ops.sum(layer.bias_in(q, k, visible)),
        query,
        key,
        layer=layer,
    )
    assert np.isfinite(value) and all(np.isfinite(x).all() for x in found)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
# The pairs of the contract decode with the others.
@pytest.mark.parametrize("flavour", only({"window_with_sinks"}, FLAVOURS))
def test_decoding_in_any_pieces_is_the_full_pass(rng, name, flavour):
    layer = attention(flavour, name, rng, LENGTH)
    x = rng.normal(size=(2, LENGTH, DIM)).astype("float32")
    padding_mask = rng.random((2, LENGTH)) < 0.7
    full = to_numpy(layer(x, padding_mask=padding_mask, use_causal_mask=True))
    splits = [[0, 4, 5, 9, LENGTH], list(range(LENGTH + 1))]
    for borders in splits[: 2 if BACKEND == "tensorflow" else 1]:
        near(decode(layer, x, borders, padding_mask), full, 2e-5)


@pytest.mark.few
@pytest.mark.parametrize(
    ("name", "causal"), only({(name, True) for name in NAMES}, CALLS)
)
def test_query_blocks_give_the_numbers_of_the_whole(rng, name, causal):
    whole = MultiHeadAttention(
        HEADS, num_kv_heads=2, query_block_size=None, position=make(name)
    )
    blocks = MultiHeadAttention(
        HEADS, num_kv_heads=2, query_block_size=3, position=make(name)
    )
    x = rng.normal(size=(2, LENGTH, DIM)).astype("float32")
    for layer in (whole, blocks):
        layer.build(x.shape)
    randomize(whole, rng, deviation=0.4)
    blocks.set_weights(whole.get_weights())
    options = {
        "padding_mask": ops.convert_to_tensor(rng.random((2, LENGTH)) < 0.7),
        "use_causal_mask": causal,
    }
    results = [
        gradients(
            lambda x, l=layer: ops.sum(l(x, **options) ** 2), x, layer=layer
        )
        for layer in (whole, blocks)
    ]
    near(results[1][0], results[0][0], 1e-4)
    # That of the bias of keys is but rounding.
    largest = max(np.abs(x).max() for x in results[0][1])
    for first, second in zip(results[1][1], results[0][1], strict=True):
        near(first, second, 1e-5 * largest, 1e-4)


@pytest.mark.few
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "flavour", few(["window_with_sinks", "window"], 1, "full")
)
def test_blocks_of_a_window_give_the_numbers_of_the_whole(rng, name, flavour):
    length = 263  # more than one block of 128 queries and its window
    layer = attention(flavour, name, rng, length)
    x = rng.normal(size=(1, length, DIM)).astype("float32")
    call = {"use_causal_mask": True}
    weights = to_numpy(layer.attention_weights(x, **call))
    found = to_numpy(layer(x, **call))
    groups = HEADS // layer.num_kv_heads
    value = np.repeat(to_numpy(layer.value_dense(x)), groups, axis=2)
    mixed = np.einsum("bhts,bshd->bthd", weights, value)
    places = ops.arange(length, dtype="int32")
    visible = Visibility(places, places, causal=True).ordered(is_self=True)
    extra = layer.position.values_in(ops.convert_to_tensor(weights), visible)
    if extra is not None:
        mixed = mixed + to_numpy(extra)
    mixed = ops.convert_to_tensor(mixed.astype("float32"))
    near(found, layer.project_output(mixed, x), 2e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "policy",
    [
        "mixed_bfloat16",
        pytest.param("mixed_float16", marks=pytest.mark.full),
        pytest.param("bfloat16", marks=pytest.mark.slow),
    ],
)
def test_half_precision_rounds_and_no_more(rng, name, policy):
    whole = MultiHeadAttention(HEADS, position=make(name))
    half = MultiHeadAttention(
        HEADS, position=make(name, dtype=policy), dtype=policy
    )
    x = rng.normal(size=(2, 7, DIM)).astype("float32")
    for layer in (whole, half):
        layer.build(x.shape)
    randomize(whole, rng, deviation=0.2)
    half.set_weights(whole.get_weights())
    found = half(ops.cast(x, half.compute_dtype), use_causal_mask=True)
    assert keras.backend.standardize_dtype(found.dtype) == half.compute_dtype
    near(found, whole(x, use_causal_mask=True), 0.05, 0.05)
    position = half.position
    if policy.startswith("mixed"):
        assert all(w.dtype == "float32" for w in position.weights)
    heads_of = ops.cast(heads(rng, 7), half.compute_dtype)
    bias = position.bias(heads_of, heads_of, np.arange(7), np.arange(7), True)
    assert keras.backend.standardize_dtype(bias.dtype) == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_float64_stays_float64(rng, name):
    if BACKEND == "jax":
        pytest.skip("JAX has no float64 by default")
    layer = make(name, rng, dtype="float64")
    query, key = tensors(*(heads(rng, 5).astype("float64") for _ in range(2)))
    places = ops.arange(5, dtype="int32")
    visible = Visibility(places, places, causal=True)
    for call in (visible, visible.ordered()):
        bias = layer.bias_in(query, key, call)
        assert keras.backend.standardize_dtype(bias.dtype) == "float64"


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_saved_with_its_encoding(rng, name, tmp_path):
    cls = TransformerDecoder if name == "cope" else TransformerEncoder
    model = randomize(cls(**SIZES, position=name), rng)
    ids = ops.convert_to_tensor(rng.integers(1, 23, size=(2, 7)))
    expected = to_numpy(model(ids))
    assert np.isfinite(expected).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    near(again(ids), expected, 1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shared", [None, False, True])
def test_blocks_share_an_encoding_or_not(name, shared):
    options = {} if shared is None else {"shared": shared}
    template = make(name, **options)
    model = TransformerDecoder(**SIZES, position=template)
    found = {id(block.attention.position) for block in model.blocks}
    assert len(found) == (1 if shared else 2)
    assert model.blocks[0].attention.position.get_config()["shared"] == bool(
        shared
    )


# The pairs of the contract show the same of a part. JAX compiles every
# operation of every flavour.
@pytest.mark.parametrize(
    "name", few(NAMES, 0, "slow" if BACKEND == "jax" else "full")
)
def test_every_flavour_takes_it_or_refuses_it_by_name(rng, name):
    x = rng.normal(size=(2, 8, DIM)).astype("float32")
    for flavour in attention_layers.names():
        position = make(name)
        try:
            layer = attention_layers.get(
                flavour, num_heads=HEADS, position=position
            )
        except ValueError as error:
            assert type(position).__name__ in str(error)
            continue
        if getattr(layer, "position", None) is None:
            continue
        if layer.supports_causal_mask:
            call = {"use_causal_mask": True}
        else:
            call = {}
        assert np.isfinite(to_numpy(layer(x, **call))).all()


@pytest.mark.few
@pytest.mark.skipif(BACKEND != "tensorflow", reason="graphs of TensorFlow")
@pytest.mark.parametrize(("name", "causal"), CALLS)
@pytest.mark.parametrize("jit_compile", few([False, True], 1, "full"))
def test_a_graph_may_learn_lengths_later(rng, name, causal, jit_compile):
    import tensorflow as tf

    layer = attention("multi_head", name, rng, LENGTH)

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, DIM))],
        jit_compile=jit_compile,
        autograph=False,
    )
    def call(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, use_causal_mask=causal)
        return output, tape.gradient(output, x)

    for length in (5, 11):
        x = ops.convert_to_tensor(
            rng.normal(size=(2, length, DIM)).astype("float32")
        )
        output, gradient = call(x)
        near(output, layer(x, use_causal_mask=causal))
        assert np.isfinite(to_numpy(gradient)).all()


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_compiled_and_eager_agree(rng, name):
    layer = attention("multi_query", name, rng, LENGTH)
    x = rng.normal(size=(2, LENGTH, DIM)).astype("float32")
    call = compiled(lambda x: layer(x, use_causal_mask=True))
    near(call(ops.convert_to_tensor(x)), layer(x, use_causal_mask=True))


@pytest.mark.parametrize("name", NAMES)
def test_symbolic_lengths_may_be_open(name):
    layer = MultiHeadAttention(HEADS, position=make(name))
    output = layer(keras.Input((None, DIM)), use_causal_mask=True)
    assert output.shape == (None, None, DIM)
    assert layer.position.built and HEAD_DIM == layer.head_dim
