"""What is collected is what the model uses, and nothing is left behind."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    AttentionPooling,
    EncoderDecoder,
    MultiHeadAttention,
    attention,
    attention_maps,
)
from keras_attention.visualization.layer_paths import attention_layers
from keras_attention.visualization.recording import recording
from tests.models import small
from tests.tools import (
    BACKEND,
    near,
    only,
    randomize,
    run_python,
    to_numpy,
)

FLAVOURS = attention.describe()
MIXERS = [name for name in FLAVOURS if FLAVOURS[name]["kind"] == "mixer"]


def softmax(scores):
    numbers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return numbers / numbers.sum(axis=-1, keepdims=True)


def by_hand(layer, query, key, mask):
    """Weights of a `MultiHeadAttention` without position, by NumPy."""

    def project(dense, x):
        kernel, bias = to_numpy(dense.kernel.value), to_numpy(dense.bias.value)
        return np.einsum("btm,mhd->bhtd", x, kernel) + bias[:, None]

    heads = project(layer.query_dense, query)
    keys = project(layer.key_dense, key)
    scores = heads @ keys.swapaxes(-1, -2) / np.sqrt(heads.shape[-1])
    return softmax(np.where(mask, scores, -1e30))


def watch_inputs(monkeypatch, layer):
    """The queries and values that a layer's projection gets."""
    seen, run = [], layer.run

    def watched(query, value, key, **inputs):
        seen.append((to_numpy(query), None if value is None else value))
        return run(query, value, key, **inputs)

    monkeypatch.setitem(vars(layer), "run", watched)
    return seen


def test_weights_of_both_sides_by_hand(rng, monkeypatch):
    model = small.encoder_decoder(rng, position=None)
    pairs = small.pairs(rng)
    block = model.decoder.blocks[1]
    own = watch_inputs(monkeypatch, block.attention)
    cross = watch_inputs(monkeypatch, block.cross_attention)
    maps = attention_maps(model, pairs)
    source = pairs["source_ids"] > 0
    past = np.tril(np.ones((1, 7, 7), bool))
    x = own[0][0]
    near(
        maps["decoder/block_1/attention"],
        by_hand(block.attention, x, x, past[:, None]),
    )
    x, memory = cross[0]
    near(
        maps["decoder/block_1/cross_attention"],
        by_hand(
            block.cross_attention, x, to_numpy(memory), source[:, None, None]
        ),
    )


def test_names_order_shapes_and_masks(rng):
    model, pairs = small.encoder_decoder(rng), small.pairs(rng)
    maps = attention_maps(model, pairs)
    assert {name: value.shape for name, value in maps.items()} == {
        "encoder/block_0/attention": (3, 3, 5, 5),
        "encoder/block_1/attention": (3, 3, 5, 5),
        "decoder/block_0/attention": (3, 3, 7, 7),
        "decoder/block_0/cross_attention": (3, 3, 7, 5),
        "decoder/block_1/attention": (3, 3, 7, 7),
        "decoder/block_1/cross_attention": (3, 3, 7, 5),
    }
    assert all(value.dtype == np.float32 for value in maps.values())
    name = "decoder/block_1/cross_attention"
    assert maps.across == [name.replace("1", "0"), name]
    np.testing.assert_array_equal(
        maps.query_masks[name], pairs["target_ids"] > 0
    )
    np.testing.assert_array_equal(maps.key_masks[name], pairs["source_ids"] > 0)
    assert maps.row(name, 1).weights.shape == (3, 4, 2)
    assert maps.row(name, 1).key_tokens == ["1", "2"]
    assert maps.query_tokens[name] is None and maps.skipped == {}
    assert "(3, 3, 7, 5)" in repr(maps)


def test_a_target_may_hold_the_padding_id(rng):
    model, pairs = small.encoder_decoder(rng), small.pairs(rng)
    pairs["target_ids"] = np.array(
        [[0, 5, 0, 3, 0, 0, 0], [0] * 7, [1, 2, 3, 4, 5, 6, 7]]
    )
    maps = attention_maps(model, pairs)
    lengths = [4, 1, 7]
    for name in (
        "decoder/block_0/attention",
        "decoder/block_0/cross_attention",
    ):
        for row, length in enumerate(lengths):
            assert maps.row(name, row).weights.shape[1] == length


def test_the_model_stays_as_it_was(rng):
    model, pairs = small.encoder_decoder(rng, dropout=0.3), small.pairs(rng)
    before = to_numpy(model(pairs))
    held = [sorted(vars(layer)) for layer in model._flatten_layers()]
    with recording(model) as made:
        during = to_numpy(model(pairs))
    maps = attention_maps(model, pairs)
    np.testing.assert_array_equal(before, during)
    np.testing.assert_array_equal(before, to_numpy(model(pairs)))
    assert held == [sorted(vars(layer)) for layer in model._flatten_layers()]
    near(maps["decoder/block_0/attention"], made.calls[2].weights)
    again = type(model).from_config(model.get_config())
    assert isinstance(again, EncoderDecoder)


def test_layers_are_restored_after_an_error(rng):
    model = small.encoder(rng)

    def fail(*arguments, **options):
        raise RuntimeError("on the way")

    vars(model.blocks[1].attention)["attend"] = fail
    with pytest.raises(RuntimeError, match="on the way"):
        attention_maps(model, small.ids(rng))
    assert vars(model.blocks[1].attention).pop("attend") is fail
    assert "attend" not in vars(model.blocks[0].attention)
    assert len(attention_maps(model, small.ids(rng))) == 2


def test_another_thread_is_not_watched(rng):
    model, tokens = small.encoder(rng), small.ids(rng)
    with recording(model) as made:
        thread = threading.Thread(target=model, args=(tokens,))
        thread.start()
        thread.join()
        assert made.calls == []


KINDS = {"multi_head", "latent", "longformer", "linear", "fourier"}


# The contract shows that weights are those that mix.
@pytest.mark.parametrize("name", only(KINDS, MIXERS))
def test_every_mixer_in_an_encoder(rng, name):
    if BACKEND == "jax" and name not in ("multi_head", "linear", "fourier"):
        pytest.skip("JAX compiles each anew")
    encoder, tokens = small.encoder(rng, attention=name), small.ids(rng)
    block = encoder.blocks[0]
    try:
        expected = block.attention.attention_weights(
            ops.zeros((3, 7, small.DIM)), padding_mask=tokens > 0
        )
    except ValueError as error:
        with pytest.raises(ValueError, match="block_1/attention: ") as found:
            attention_maps(encoder, tokens)
        assert str(error) in str(found.value)
        return
    maps = attention_maps(encoder, tokens)
    assert list(maps) == ["block_0/attention", "block_1/attention"]
    assert maps["block_0/attention"].shape == tuple(expected.shape)
    x = encoder.embedding(tokens)
    x = block.norms[0](encoder.position.embed(x, start=0))
    near(
        maps["block_0/attention"],
        block.attention.attention_weights(x, padding_mask=tokens > 0),
    )


def test_what_has_no_weights_is_skipped_and_named(rng):
    encoder = small.encoder(rng, attention=["fourier", "multi_head"])
    with pytest.warns(UserWarning, match="block_0/attention: FourierMixing"):
        maps = attention_maps(encoder, small.ids(rng))
    assert list(maps) == ["block_1/attention"]
    assert "no attention weights" in maps.skipped["block_0/attention"]


def test_a_functional_model_with_a_shared_layer(rng):
    inputs = keras.Input((None, 6))
    shared = MultiHeadAttention(2, name="shared")
    hidden = shared(shared(inputs), use_causal_mask=True)
    pooled = AttentionPooling(3, num_seeds=2, name="pooled")(hidden)
    model = randomize(keras.Model(inputs, pooled), rng)
    x = rng.normal(size=(2, 5, 6)).astype("float32")
    tokens = [list("abcde"), list("vwxyz")]
    maps = attention_maps(model, x, tokens=tokens)
    assert list(maps) == ["shared", "shared/call_2", "pooled"]
    near(maps["shared"], shared.attention_weights(x))
    assert np.triu(maps["shared/call_2"], 1).max() == 0
    assert maps["pooled"].shape == (2, 3, 2, 5)
    assert maps.query_tokens["pooled"] is None
    assert maps.key_tokens["pooled"] == tokens == maps.key_tokens["shared"]
    assert maps.across == []


def test_a_sequential_model_and_layers_of_one_name(rng):
    model = keras.Sequential(
        [keras.Input((5, 6)), MultiHeadAttention(2, name="first")]
    )
    x = rng.normal(size=(1, 5, 6)).astype("float32")
    assert list(attention_maps(model, x)) == ["first"]

    class Twins(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [MultiHeadAttention(2, name="same") for _ in range(2)]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    assert list(attention_maps(Twins(), x)) == ["same", "same_2"]


def test_one_layer_alone(rng):
    layer = MultiHeadAttention(2, name="alone")
    x = rng.normal(size=(1, 5, 6)).astype("float32")
    assert attention_maps(layer, x)["alone"].shape == (1, 2, 5, 5)


def test_half_precision_gives_float32(rng):
    encoder = small.encoder(rng, dtype="mixed_bfloat16")
    for value in attention_maps(encoder, small.ids(rng)).values():
        assert value.dtype == np.float32
        near(value.sum(axis=-1), np.ones(value.shape[:-1]), 2e-2)


def test_a_compiled_part_is_told_and_keeps_nothing(rng):
    if BACKEND == "torch":
        pytest.skip("nothing is compiled")

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = MultiHeadAttention(2)
            self.inner.build((None, 5, 6))
            self.built = True
            if BACKEND == "tensorflow":
                import tensorflow as tf

                run = tf.function(lambda x: self.inner(x), autograph=False)
            else:
                import jax

                run = jax.jit(lambda x: self.inner(x))
            self.run = run

        def call(self, x):
            return self.run(x)

    model = Compiled()
    x = rng.normal(size=(1, 5, 6)).astype("float32")
    expected = model.inner(x)
    for reason in ("inside a compiled", "compiled before"):
        with pytest.raises(ValueError, match=reason):
            attention_maps(model, x)
        near(model(x), expected)


def test_a_model_without_attention_is_refused(rng):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="model must hold an attention"):
        attention_maps(model, np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match="model must be a Keras layer"):
        attention_maps(None, np.zeros((1, 3), "float32"))


@pytest.mark.slow  # a new process
def test_importing_loads_no_matplotlib():
    code = """
import sys, keras
before = set(sys.modules)
import keras_attention
print([name for name in set(sys.modules) - before if "matplotlib" in name])
"""
    assert run_python(code).strip().endswith("[]")


def test_layers_are_found_once(rng):
    model = small.encoder_decoder(rng)
    layers = attention_layers(model)
    assert len(set(map(id, layers.values()))) == len(layers) == 6
