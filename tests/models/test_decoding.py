"""Caches and memories of whole models."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LearnedEncoding, MultiHeadAttention
from tests.models import small
from tests.tools import BACKEND, compiled, near, to_numpy

LENGTH = 7
PARTS = {
    "sinusoidal": {},
    "rotary": {"position": "rotary", "residual": "post_norm"},
    "learned": {"position": LearnedEncoding(max_length=LENGTH + 2)},
    "mixed": {
        "attention": [MultiHeadAttention(3, 4, 1), "multi_head"],
        "cross_attention": ["multi_head", MultiHeadAttention(3, 2)],
    },
}


@pytest.fixture(scope="module", params=PARTS)
def model(request):
    """Built once: no test changes it."""
    rng = np.random.default_rng(7)
    return small.encoder_decoder(rng, **PARTS[request.param])


@st.composite
def borders(draw):
    inner = draw(st.sets(st.integers(1, LENGTH - 1)))
    return [0, *sorted(inner), LENGTH]


def feed(
    model, token_ids, edges, memory=None, max_length=LENGTH + 2, mask=None
):
    """Hidden states of all pieces."""
    cache, outputs = model.init_cache(len(token_ids), max_length), []
    for start, stop in zip(edges, edges[1:], strict=False):
        piece = ops.convert_to_tensor(token_ids[:, start:stop])
        hidden, cache = model(
            piece,
            padding_mask=None if mask is None else mask[:, start:stop],
            memory=memory,
            cache=cache,
            start=start,
        )
        outputs.append(to_numpy(hidden))
    return np.concatenate(outputs, axis=1)


@pytest.mark.few
@hypothesis.settings(max_examples=3)
@hypothesis.given(edges=borders(), holes=st.sets(st.integers(0, 20)))
def test_any_split_gives_the_full_pass_with_padding_anywhere(
    rng, model, edges, holes
):
    inputs = small.pairs(rng)
    inputs["target_padding_mask"] = np.ones((3, LENGTH), bool)
    inputs["target_padding_mask"].flat[list(holes)] = False
    hidden = model.decoder(
        inputs["target_ids"],
        padding_mask=inputs["target_padding_mask"],
        memory=model.encoder(inputs["source_ids"]),
        memory_padding_mask=inputs["source_ids"] > 0,
    )
    memory = model.init_memory(inputs["source_ids"])
    output = feed(
        model.decoder,
        inputs["target_ids"],
        edges,
        memory,
        mask=inputs["target_padding_mask"],
    )
    near(output, hidden)
    near(model.decoder.logits(output), model(inputs))


@pytest.mark.full
def test_rows_may_be_prefilled_to_the_shortest_and_fed_their_own(rng):
    model = small.decoder(rng, position="rotary")
    tokens = small.ids(rng, ragged=False)
    expected = to_numpy(model.logits(model(tokens)))
    cache = model.init_cache(3, LENGTH)
    logits, cache = model.step(ops.convert_to_tensor(tokens[:, :2]), cache)
    near(logits, expected[:, 1])
    for start in range(2, LENGTH):
        piece = ops.convert_to_tensor(tokens[:, start : start + 1])
        logits, cache = model.step(piece, cache, start=start)
        near(logits, expected[:, start])


@pytest.mark.full
def test_a_step_hides_the_tokens_it_is_told_to(rng):
    model = small.encoder_decoder(rng, position=None)
    inputs = small.pairs(rng, ragged=False)
    memory = model.init_memory(inputs["source_ids"])
    tokens, mask = inputs["target_ids"], np.ones((3, LENGTH), bool)
    mask[0, :2] = False
    logits, cache = model.step(
        tokens[:, :4], model.init_cache(3, LENGTH), memory, 0, mask[:, :4]
    )
    # Without positions, a row padded on the left is one that begins later.
    short = {name: ids[:1] for name, ids in inputs.items()}
    short["target_ids"] = tokens[:1, 2:]
    expected = to_numpy(model(short))
    near(logits[:1], expected[:, 1])
    for start in range(4, LENGTH):
        piece = tokens[:, start : start + 1]
        logits, cache = model.step(piece, cache, memory, start)
        near(logits[:1], expected[:, start - 2])


@pytest.mark.few
def test_all_of_cache_and_memory_is_batch_first(rng, model):
    inputs = small.pairs(rng)
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, LENGTH)
    for leaf in keras.tree.flatten([memory, cache]):
        assert leaf.shape[0] == 3
    order = np.array([2, 1, 1])
    picked = keras.tree.map_structure(
        lambda leaf: ops.take(leaf, order, axis=0), memory
    )
    output = feed(model.decoder, inputs["target_ids"], [0, LENGTH], picked)
    source = inputs["source_ids"][order]
    expected = model({**inputs, "source_ids": source})
    near(model.decoder.logits(output), expected)


@pytest.mark.full
def test_a_compiled_step_with_a_computed_start(rng, model):
    inputs = small.pairs(rng, ragged=False)
    step = compiled(
        lambda ids, cache, memory, start: model.step(ids, cache, memory, start)
    )
    expected = to_numpy(model(inputs))
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, LENGTH)
    for start in range(LENGTH):
        piece = ops.convert_to_tensor(inputs["target_ids"][:, [start]])
        number = ops.convert_to_tensor(start, dtype="int32")
        logits, cache = step(piece, cache, memory, number)
        near(logits, expected[:, start])


@pytest.mark.full
@pytest.mark.autograph
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(rng, model):
    import tensorflow as tf

    tokens = tf.TensorSpec([None, None], "int32")

    @tf.function(input_signature=[tokens, tokens])
    def decode(source_ids, target_ids):
        memory = model.init_memory(source_ids)
        length = tf.shape(target_ids)[1]
        cache = model.init_cache(tf.shape(target_ids)[0], length)
        _, cache = model.step(target_ids[:, :2], cache, memory)
        return model.step(target_ids[:, 2:], cache, memory, start=2)[0]

    for batch_size in (3, 1):
        inputs = small.pairs(rng, batch_size=batch_size, ragged=False)
        tensors = [tf.constant(x, "int32") for x in inputs.values()]
        near(decode(*tensors), to_numpy(model(inputs))[:, -1])


def test_a_cache_in_mixed_precision_stays_near_the_full_pass(rng):
    model = small.decoder(rng, dtype="mixed_bfloat16")
    tokens = small.ids(rng)
    output = feed(model, tokens, [0, 3, 4, LENGTH])
    expected = to_numpy(model(tokens))
    assert np.abs(output - expected).max() < 0.05 * np.abs(expected).max()


def test_positions_that_do_not_exist_are_refused(rng):
    model = small.decoder(rng, position=LearnedEncoding(max_length=5))
    with pytest.raises(ValueError, match="max_length=5"):
        model(small.ids(rng))
    with pytest.raises(ValueError, match="max_length=5"):
        model.init_cache(3, 6)
    cache = model.init_cache(3, 4)
    with pytest.raises(ValueError, match="max_length=4"):
        model(small.ids(rng, 3), cache=cache, start=2)


@pytest.mark.full
def test_a_memory_is_asked_for_and_not_dropped(rng):
    crossing = small.decoder(rng, cross_attention="multi_head")
    with pytest.raises(ValueError, match="memory"):
        crossing(small.ids(rng))
    memory = rng.normal(size=(3, 5, small.DIM)).astype("float32")
    with pytest.raises(ValueError, match="memory"):
        small.decoder(rng)(small.ids(rng), memory=memory)
    with pytest.raises(ValueError, match="cross_attention"):
        small.decoder(rng).init_memory(memory)
