"""Encodings that meet queries or keys, with small sizes and what they do."""

import numpy as np
from keras import ops

from keras_attention import (
    MultiHeadAttention,
    SlidingWindowAttention,
    positions,
)
from tests.tools import randomize, to_numpy

HEADS, HEAD_DIM = 4, 6
DIM = HEADS * HEAD_DIM
# So small that distances of a few positions already pass every limit.
OPTIONS = {
    "shaw": {"max_distance": 3},
    "transformer_xl": {},
    "disentangled": {"position_buckets": 4, "max_distance": 7},
    "cope": {"max_position": 3},
}
NAMES = list(OPTIONS)
CALLS = [(name, True) for name in NAMES]
CALLS += [(name, False) for name in NAMES if name != "cope"]


def make(name, rng=None, dtype=None, **options):
    """An unbuilt encoding; built, with weights off their start, by an rng."""
    layer = positions.get(name, dtype=dtype, **{**OPTIONS[name], **options})
    if rng is not None:
        layer.build((None, None, HEADS, HEAD_DIM))
        randomize(layer, rng, deviation=0.4)
    return layer


def heads(rng, length, num_heads=HEADS, batch=2):
    shape = (batch, length, num_heads, HEAD_DIM)
    return rng.normal(size=shape).astype("float32")


FLAVOURS = {
    "multi_head": lambda position: MultiHeadAttention(HEADS, position=position),
    "multi_query": lambda position: MultiHeadAttention(
        HEADS, num_kv_heads=1, position=position
    ),
    "window_with_sinks": lambda position: SlidingWindowAttention(
        HEADS, window_size=3, num_sinks=1, position=position
    ),
    "window": lambda position: SlidingWindowAttention(
        HEADS, num_kv_heads=2, window_size=3, position=position
    ),
    "dilated_window": lambda position: SlidingWindowAttention(
        HEADS, window_size=2, dilation=2, position=position
    ),
}


def attention(flavour, name, rng, length, **options):
    """A built layer of attention with an encoding."""
    layer = FLAVOURS[flavour](make(name, **options))
    layer.build((2, length, DIM))
    return randomize(layer, rng, deviation=0.4)


def decode(layer, x, borders, padding_mask):
    """The outputs of pieces that follow each other, from a cache."""
    cache, outputs = layer.init_cache(len(x), x.shape[1] + 2), []
    for start, stop in zip(borders, borders[1:], strict=False):
        output, cache = layer(
            x[:, start:stop],
            padding_mask=padding_mask[:, start:stop],
            cache=cache,
            start=start,
        )
        outputs.append(to_numpy(output))
    return np.concatenate(outputs, axis=1)


def softmax_of(scores, seen):
    """Weights in float64; rows that see nothing get zeros."""
    scores = np.where(seen, scores, -1e30)
    raised = np.exp(scores - scores.max(-1, keepdims=True)) * seen
    return raised / np.maximum(raised.sum(-1, keepdims=True), 1e-300)


def tensors(*arrays):
    return [ops.convert_to_tensor(x) for x in arrays]
