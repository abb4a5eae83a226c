"""Padding that is no number reaches neither results nor gradients."""

import pytest
from keras import ops

from keras_attention import CopyGenerator
from keras_attention.layers import pooling
from keras_attention.layers.attention_recurrence import AttentionRecurrence
from tests.spoilt import check_same, some_of
from tests.tools import randomize

BATCH, LENGTH, SOURCE_LENGTH, DIM = 3, 5, 4, 6


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    return rng.normal(size=(BATCH, SOURCE_LENGTH, DIM)).astype("float32")


@pytest.mark.parametrize(
    "name", [*pooling.MODES, "attention", "additive", "multi_head"]
)
def test_of_what_is_pooled(name, x, rng):
    layer, mask = pooling.get(name), some_of(rng, x.shape[:2])
    layer.build(x.shape)
    randomize(layer, rng)
    check_same(layer, lambda x: layer(x, padding_mask=mask), x, mask)


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("part", ["x", "memory"])
def test_of_a_recurrence_with_attention(order, part, x, source, rng):
    layer = AttentionRecurrence(1, 7, 3, attention_order=order)
    layer.build(x.shape, memory_dim=DIM)
    randomize(layer, rng)
    both = {"x": x, "memory": source}
    masks = {name: some_of(rng, y.shape[:2]) for name, y in both.items()}

    def run(changed):
        given = {**both, part: changed}
        memory = layer.init_memory(given["memory"], masks["memory"])
        outputs, _ = layer(
            given["x"],
            layer.init_state(BATCH),
            memory=memory,
            padding_mask=masks["x"],
        )
        return outputs

    check_same(layer, run, both[part], masks[part], masks["x"])


def test_of_a_source_to_copy_from(x, source, rng):
    layer, mask = CopyGenerator(5), some_of(rng, source.shape[:2])
    layer.build(x.shape, x.shape, None, source.shape)
    randomize(layer, rng)
    logits = rng.normal(size=(BATCH, LENGTH, 11)).astype("float32")
    token_ids = rng.integers(0, 11, mask.shape)

    def run(source):
        found = layer(x, x, logits, source, token_ids, padding_mask=mask)
        return ops.exp(found)

    check_same(layer, run, source, mask)
