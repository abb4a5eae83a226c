"""Positional encodings that differ from block to block."""

import numpy as np
import pytest

import keras_attention
from keras_attention import (
    LearnedEncoding,
    RotaryEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.tools import compiled, few, near, randomize, to_numpy

SIZES = (37, 3, 24, 4)  # vocabulary, layers, width and heads


def ids_of(rng, length=7):
    return rng.integers(1, 37, (2, length))


def test_a_list_is_cycled_over_the_blocks():
    model = TransformerDecoder(*SIZES, position=["rotary", None])
    kinds = [type(b.attention.position).__name__ for b in model.blocks]
    none = "PositionalEncoding"
    assert kinds == ["RotaryEmbedding", none, "RotaryEmbedding"]
    first, _, third = (block.attention.position for block in model.blocks)
    assert first is third


def test_equal_parts_are_one_encoding():
    position = [RotaryEmbedding(base=7.0), "rotary", RotaryEmbedding(base=7.0)]
    model = TransformerDecoder(*SIZES, position=position)
    first, second, third = (b.attention.position for b in model.blocks)
    assert first is third and first is not second
    shaw = TransformerDecoder(*SIZES, position=["shaw", "shaw"])
    assert len({id(b.attention.position) for b in shaw.blocks}) == 3


@pytest.mark.parametrize("cls", [TransformerEncoder, TransformerDecoder])
def test_a_list_of_one_is_the_encoding_itself(rng, cls):
    one = randomize(cls(*SIZES, position="rotary"), rng)
    other = cls(*SIZES, position=["rotary"])
    other.set_weights(one.get_weights())
    ids = ids_of(rng)
    near(other(ids), one(ids))


def test_two_bases_are_two_rotations(rng):
    bases = [RotaryEmbedding(base=10.0), RotaryEmbedding(base=999.0)]
    model = randomize(TransformerDecoder(*SIZES, position=bases), rng)
    ids = ids_of(rng)
    whole = to_numpy(model(ids))
    # Blocks that are called one by one compute angles of their own.
    x = model.embedding(ids)
    for block, base in zip(model.blocks, (10.0, 999.0, 10.0), strict=True):
        assert block.attention.position.base == base
        x = block(x, use_causal_mask=True)
    near(whole, model.final_norm(x), 2e-4, 2e-5)


@pytest.mark.parametrize(
    "position",
    few(
        [
            ["rotary", None],
            ["alibi", "rotary"],
            ["shaw", None],
            ["t5_relative"],
        ],
        mark="full",
    ),
)
def test_cached_steps_are_the_full_pass(rng, position):
    model = randomize(TransformerDecoder(*SIZES, position=position), rng)
    ids = ids_of(rng)
    whole = to_numpy(model(ids))
    cache = model.init_cache(2, 7)
    for place in range(7):
        step, cache = model(ids[:, place : place + 1], cache=cache, start=place)
        near(step[:, 0], whole[:, place], 2e-4, 2e-5)


@pytest.mark.parametrize("position", [["rotary", None], ["shaw", "alibi"]])
def test_it_is_saved_and_read(rng, tmp_path, position):
    model = randomize(TransformerDecoder(*SIZES, position=position), rng)
    model.save_to_preset(tmp_path)
    again = TransformerDecoder.from_preset(tmp_path)
    ids = ids_of(rng)
    near(again(ids), model(ids))
    assert len(again.get_config()["position"]) == len(position)


@pytest.mark.full
def test_a_graph_computes_the_same(rng):
    position = [RotaryEmbedding(base=10.0), None, "alibi"]
    model = randomize(TransformerDecoder(*SIZES, position=position), rng)
    ids = ids_of(rng)
    near(compiled(model)(ids), model(ids), 2e-4, 2e-5)


def test_encodings_that_do_not_fit_are_refused():
    for position in ("sinusoidal", LearnedEncoding(9)):
        with pytest.raises(ValueError, match="added to embeddings"):
            TransformerEncoder(*SIZES, position=["rotary", position])
    with pytest.raises(ValueError, match="one at least"):
        TransformerEncoder(*SIZES, position=[])
    with pytest.raises(ValueError, match="XPos is for causal attention"):
        TransformerEncoder(*SIZES, position=["rotary", "xpos"])


def test_a_cache_is_refused_if_one_of_them_allows_none():
    ntk = {"type": "ntk", "factor": 2.0, "original_max_length": 5}
    position = [None, RotaryEmbedding(scaling=ntk)]
    model = TransformerDecoder(*SIZES, position=position)
    with pytest.raises(ValueError, match="use scaling of type yarn"):
        model.init_cache(2, 7)


def test_a_memory_of_segments_asks_all_of_them(rng):
    position = ["transformer_xl", None]
    model = TransformerDecoder(*SIZES, position=position, segment_memory=4)
    segments = model.init_segments(2)
    hidden, _ = model(ids_of(rng), segments=segments)
    assert hidden.shape == (2, 7, 24)
    with pytest.raises(ValueError, match="segment_memory"):
        ntk = {"type": "ntk", "factor": 2.0, "original_max_length": 5}
        TransformerDecoder(
            *SIZES,
            position=[None, RotaryEmbedding(scaling=ntk)],
            segment_memory=4,
        )


def test_a_model_may_end_without_a_normalization(rng):
    model = TransformerDecoder(*SIZES, final_normalization=False)
    assert model.final_norm is None
    again = TransformerDecoder.from_config(model.get_config())
    assert again.final_norm is None
    normalized = TransformerDecoder(*SIZES)
    assert normalized.final_norm is not None
    ids = ids_of(rng)
    normalized.set_weights([*model.get_weights(), np.ones(24), np.zeros(24)])
    near(normalized.final_norm(model(ids)), normalized(ids), 2e-4, 2e-5)
    with pytest.raises(ValueError, match="final_normalization must be True"):
        keras_attention.TransformerEncoder(*SIZES, final_normalization="no")
