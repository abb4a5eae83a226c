"""Exact softmax attention in blocks of queries."""

import functools
from typing import NamedTuple

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.core.query_blocks_tf import process_by_hand
from keras_attention.attention.core.recompute import (
    Recomputation,
    UnlistedVariable,
)
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.split import (
    block_seed,
    cut,
    join,
    seen_by,
    split,
    without_eager_masks,
)
from keras_attention.tensors import known_integer

_SEGMENTS = 4


def attend_in_blocks(
    query,
    key,
    value,
    visible,
    position,
    dropout=0.0,
    seed=None,
    block_size=256,
    keep=0,
    attend=None,
    variables=(),
    scoring=softmax.PLAIN,
):
    """Mixes values for one block of queries after the other.

    The numbers are those of `attend`, but for what dropout draws. No more than
    one block of scores exists at a time: each block is computed again in the
    backward pass. In causal self-attention each quarter of the queries leaves
    out the keys behind it.

    Args: as of `softmax.attend`, and
        block_size: integer, queries in a block.
        attend: a function as `softmax.attend`, to which queries are rows;
            None for that itself with `scoring`, whose backward pass is
            written out for plain TensorFlow graphs.
        variables: those that `attend` may read, without the position's.
        keep: integer, scores that may be kept for the backward pass instead
            of being computed again; in plain TensorFlow graphs that know all
            sizes, with neither a cap nor learned sinks.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    if scoring.cap is not None or scoring.learned:
        keep = 0  # their gradients take more than the weights
    by_hand = attend is None and not position.acts_on_scores
    if by_hand and in_plain_graph():
        process = functools.partial(process_by_hand, scoring=scoring)
    else:
        keep = 0
        if attend is None:
            attend = functools.partial(softmax.attend, scoring=scoring)
            variables = scoring.learned
        process = functools.partial(
            _process, attend, [*position.weights, *variables]
        )
    batch, length, num_heads, _ = map(known_integer, query.shape)
    key_length = known_integer(key.shape[1])
    keep_of_head = 0
    if keep and None not in (batch, length, key_length):
        keep_of_head = keep // max(batch * num_heads, 1)
    parts = [_Part(0, None, None, False)]
    if length is not None:
        block_size = max(min(block_size, length), 1)
        is_causal_self = visible.causal and visible.is_self
        num_segments = _SEGMENTS if is_causal_self else 1
        parts = _plan(
            length, key_length, block_size, num_segments, keep_of_head
        )
    outputs = []
    for start, stop, key_stop, kept in parts:
        output = process(
            _rows(query, start, stop),
            _rows(key, 0, key_stop),
            _rows(value, 0, key_stop),
            visible.block(start, stop, key_stop),
            position,
            dropout,
            seed,
            block_size,
            start // block_size,
            **({"keep": True} if kept else {}),
        )
        outputs.append(output)
    return outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, 1)


def in_plain_graph():
    """Whether this is traced for TensorFlow's executor.

    There nothing fuses the parts of a gradient, so that it is worth writing
    out. XLA does; and an eager tape would hold on to every block.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not (tf.executing_eagerly() or in_xla())


def in_xla():
    """Whether this is traced for XLA by TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)


class _Part(NamedTuple):
    """A range of queries that see the same keys, those before `key_stop`.

    None stands for the end of the queries, or of the keys.
    """

    start: int
    stop: int | None
    key_stop: int | None
    keep: bool


def _plan(length, key_length, block_size, num_segments, keep):
    """Gives the parts of a call; `keep` is counted in scores of a head."""
    num_blocks = -(-length // block_size)
    step = -(-num_blocks // num_segments) * block_size
    parts = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        key_stop = key_length if num_segments == 1 else stop
        kept = 0
        if keep:
            kept = keep // (block_size * key_stop) * block_size
            kept = min(kept, stop - start)
            keep -= kept * key_stop
        if kept:
            parts.append(_Part(start, start + kept, key_stop, True))
        if start + kept < stop:
            parts.append(_Part(start + kept, stop, key_stop, False))
    return parts


def _rows(x, start, stop):
    # A slice of everything would cost a copy in the backward pass.
    if start == 0 and stop in (None, x.shape[1]):
        return x
    return x[:, start:stop]


def _process(attend, variables, *arguments):
    """Processes blocks of queries that all see the same keys.

    Args:
        attend: a function as `softmax.attend`.
        variables: list of those that it is thought to read.
        *arguments: as of `process_by_hand`.
    """
    while True:
        try:
            return _process_with(attend, Recomputation(variables), *arguments)
        except UnlistedVariable as unlisted:
            variables.append(unlisted.variable)


def _process_with(
    attend,
    recomputation,
    query,
    key,
    value,
    visible,
    position,
    dropout,
    seed,
    block_size,
    first_block,
):
    visible = without_eager_masks(visible)
    # Swapped once here, so that the swaps inside the loop cancel.
    key, value = swap_heads(key), swap_heads(value)

    def run(block):
        seen = seen_by(block, visible)
        own_seed = block_seed(seed, block["index"])

        def attend_block(query, key, value):
            return attend(
                query,
                swap_heads(key),
                swap_heads(value),
                seen,
                position,
                dropout,
                own_seed,
            )

        return recomputation(attend_block, block["query"], key, value)

    blocks = cut(visible, block_size, first_block)
    blocks["query"] = split(query, block_size)
    return join(ops.map(run, blocks), ops.shape(query)[1])
