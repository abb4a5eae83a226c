"""A base that grows with the length."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    LongformerAttention,
    MultiHeadAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
    TransformerDecoder,
)
from tests.positions.rotary.test_rotary import by_definition
from tests.positions.rotary.test_scaling import theirs
from tests.tools import compiled, near, randomize, to_numpy

LENGTH, HEADS, HEAD_DIM = 13, 3, 10
NTK = {"type": "ntk", "factor": 3.0, "original_max_length": 7}


def stretched(length, base, scaling=NTK, head_dim=HEAD_DIM):
    original, factor = scaling["original_max_length"], scaling["factor"]
    growth = factor * max(length, original) / original - (factor - 1)
    return base * growth ** (head_dim / (head_dim - 2))


@pytest.mark.parametrize("last", [5, 6, 7, 12, 997])
def test_the_base_grows_with_the_highest_position(rng, last):
    positions = np.append(np.arange(4), last)
    x = rng.normal(size=(2, 5, HEADS, HEAD_DIM)).astype("float32")
    layer = RotaryEmbedding(base=77.0, scaling=NTK)
    expected = by_definition(x, positions, stretched(last + 1, 77.0))
    near(layer.rotate(x, positions, "key"), expected)


@pytest.mark.full
def test_a_graph_computes_the_base(rng):
    x = rng.normal(size=(2, 5, HEADS, HEAD_DIM)).astype("float32")
    layer = RotaryEmbedding(base=77.0, scaling=NTK)
    call = compiled(lambda x, p: layer.rotate(x, p, "query"))
    for last in (5, 6, 7, 997):
        positions = np.append(np.arange(4), last)
        expected = by_definition(x, positions, stretched(last + 1, 77.0))
        given = ops.convert_to_tensor(positions, dtype="int32")
        near(call(ops.convert_to_tensor(x), given), expected)


def test_each_row_of_positions_has_its_own_length(rng):
    x = rng.normal(size=(2, 5, HEADS, HEAD_DIM)).astype("float32")
    positions = np.array([[0, 1, 2, 3, 4], [31, 32, 33, 34, 35]])
    layer = RotaryEmbedding(scaling=NTK)
    expected = [
        by_definition(x[i], positions[i], stretched(positions[i, -1] + 1, 1e4))
        for i in range(2)
    ]
    near(layer.rotate(x, positions, "query"), np.stack(expected))


@pytest.mark.parametrize("length", [7, 8, 53])
@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_turned_heads_are_those_of_llama(rng, length, factor):
    torch = pytest.importorskip("torch", reason="the oracle")
    scaling = {**NTK, "factor": factor}
    config = theirs(scaling, 599.0, HEAD_DIM)
    from transformers.models.llama import modeling_llama

    oracle = modeling_llama.LlamaRotaryEmbedding(config)
    x = rng.normal(size=(2, length, HEADS, HEAD_DIM)).astype("float32")
    heads = torch.tensor(x).transpose(1, 2)
    cosine, sine = oracle(heads, torch.arange(length)[None])
    expected, _ = modeling_llama.apply_rotary_pos_emb(
        heads, heads, cosine, sine
    )
    layer = RotaryEmbedding(base=599.0, scaling=scaling)
    output = layer.rotate(x, np.arange(length), "query")
    near(output, expected.transpose(1, 2).numpy())


@pytest.mark.full
@pytest.mark.few
@pytest.mark.parametrize(
    ("base", "factor", "original"),
    [
        (1e4, 1.0, 4096),
        (1e4, 8.0, 4096),
        (17.0, 3.3, 192_371),
        (5e5, 31.0, 1),
        (1e4, 2.0, 10**6),
        (1e4, 2.0, 3 * 10**6),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
def test_far_positions_are_exact(base, factor, original, dtype):
    scaling = {
        "type": "ntk",
        "factor": factor,
        "original_max_length": original,
    }
    layer = RotaryEmbedding(base=base, scaling=scaling, dtype=dtype)
    positions = np.append(np.arange(10**6 - 1700, 10**6, 89), [3, 10**6])
    x = np.ones((1, len(positions), 1, 14), "float32")
    base = stretched(10**6 + 1, base, scaling, head_dim=14)
    expected = by_definition(x, positions, base)
    near(layer.rotate(x, positions, "key"), expected, 1e-4, 0)
    if dtype == "float32":
        call = compiled(lambda p: layer.rotate(x, p, "key"))
        given = ops.convert_to_tensor(positions, dtype="int32")
        near(call(given), expected, 1e-4, 0)


def test_a_call_without_positions_turns_nothing():
    layer = RotaryEmbedding(scaling=NTK)
    x = np.zeros((2, 0, HEADS, HEAD_DIM), "float32")
    assert layer.rotate(x, np.zeros(0, "int32"), "key").shape == x.shape


@pytest.mark.parametrize("first", [0, 11])
def test_attention_turns_queries_and_keys_alike(rng, first):
    x = rng.normal(size=(2, LENGTH, 12)).astype("float32")
    base = stretched(first + LENGTH, 1e4, head_dim=6)
    layer = MultiHeadAttention(2, position=RotaryEmbedding(scaling=NTK))
    layer.build(x.shape)
    randomize(layer, rng)
    same = MultiHeadAttention(2, position=RotaryEmbedding(base=base))
    same.build(x.shape)
    same.set_weights(layer.get_weights())
    near(layer(x, start=first), same(x))


@pytest.mark.parametrize("marked", [False, True])
def test_global_tokens_are_turned_as_the_rest(rng, marked):
    x = rng.normal(size=(2, LENGTH, 12)).astype("float32")
    options = {}
    if marked:
        mask = rng.random((2, LENGTH)) < 0.2
        options["global_mask"] = ops.convert_to_tensor(mask)
    base = stretched(LENGTH, 1e4, head_dim=6)
    layers = []
    for position in (RotaryEmbedding(scaling=NTK), RotaryEmbedding(base)):
        layer = LongformerAttention(2, window_size=2, position=position)
        layer.build(x.shape)
        layers.append(layer)
    randomize(layers[0], rng)
    layers[1].set_weights(layers[0].get_weights())
    near(layers[0](x, **options), layers[1](x, **options))


@pytest.mark.parametrize("cls", [MultiHeadAttention, SlidingWindowAttention])
def test_a_cache_is_refused(rng, cls):
    options = {"window_size": 3} if cls is SlidingWindowAttention else {}
    x = rng.normal(size=(2, 5, 12)).astype("float32")
    layer = cls(2, position=RotaryEmbedding(scaling=NTK), **options)
    layer(x)
    message = "cache beside RotaryEmbedding.*use scaling of type yarn, linear"
    with pytest.raises(ValueError, match=message):
        layer.init_cache(2, 7)
    other = cls(2, position="rotary", **options)
    other(x)
    with pytest.raises(ValueError, match=message):
        layer(x, cache=other.init_cache(2, 7), start=0)


def test_a_decoder_has_no_cache():
    position = {"class_name": "RotaryEmbedding", "config": {"scaling": NTK}}
    decoder = TransformerDecoder(11, 1, 12, 2, position=position)
    assert to_numpy(decoder(np.array([[3, 4, 5]]))).shape == (1, 3, 12)
    with pytest.raises(ValueError, match="cache beside RotaryEmbedding"):
        decoder.init_cache(1, 7)


def test_a_single_pair_is_refused():
    layer = RotaryEmbedding(scaling=NTK)
    with pytest.raises(ValueError, match="two pairs.*head_dim=2"):
        layer.build((None, None, 1, 2))
    with pytest.raises(ValueError, match="ntk.*axes=1.*axes=2"):
        RotaryEmbedding(scaling=NTK, axes=2)
