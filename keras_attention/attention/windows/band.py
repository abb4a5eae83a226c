"""Softmax attention to a band of keys around each query, block by block.

A block of queries meets the keys of its own block and of its window to each
side, so that no tensor is larger than the length times the window. Keys that
all queries may see besides (sinks, global tokens) join the same softmax.
"""

import math

from keras import ops

from keras_attention.attention.core.query_blocks import in_xla
from keras_attention.attention.core.split import (
    UNKNOWN_BATCH,
    block_seed,
    join,
    pad_end,
    split,
)
from keras_attention.attention.windows.band_blocks import attend_in_blocks
from keras_attention.attention.windows.band_call import (
    attend_to_all,
    key_mask_of,
    rows_of,
)
from keras_attention.masks import causal_mask
from keras_attention.tensors import known_integer

# Scores, of four bytes each, up to which short sequences need no blocks.
_AT_ONCE = 2**25


def band_mask(query_positions, key_positions, window_size, dilation=1):
    """Lets queries see keys at most `window_size` steps to each side.

    Args:
        query_positions: integers `(query_length,)`.
        key_positions: integers `(key_length,)`.
        window_size: integer, ends included.
        dilation: integer, positions in a step.

    Returns:
        Boolean `(query_length, key_length)`.
    """
    distance = query_positions[:, None] - key_positions[None, :]
    mask = ops.abs(distance) <= window_size * dilation
    if dilation == 1:
        return mask
    return ops.logical_and(mask, distance % dilation == 0)


def attend(call, mixing):
    """Mixes the values of each query's band and of the extra keys.

    Args:
        call: a `Call`.
        mixing: a `Mixing`.

    Returns:
        `(batch, length, heads, head_dim)`; zeros for queries that see
        nothing.
    """
    mixing = mixing.with_block_size(call.window_size)
    key_length = ops.shape(call.key)[1]
    # Up to here all keys are no more than those of one block.
    short = mixing.block_size + call.window_size + call.after
    at_once = lambda: attend_at_once(call, mixing)
    in_blocks = lambda: _attend_by_phases(call, mixing)
    batch, length, heads = map(known_integer, ops.shape(call.query)[:3])
    scores_of_pair = (batch or UNKNOWN_BATCH) * heads
    if known_integer(key_length) is None:
        if in_xla():  # which does not differentiate a condition
            return in_blocks()
        short = min(short, math.isqrt(_AT_ONCE // scores_of_pair))
        return ops.cond(key_length <= short, at_once, in_blocks)
    queries = key_length if length is None else length
    if (
        key_length <= short
        and scores_of_pair * queries * key_length <= _AT_ONCE
    ):
        return at_once()
    return in_blocks()


def attend_at_once(call, mixing):
    """Does what `attend` does with one dense mask, for short sequences.

    The keys may be in any order: their positions say where they stand.
    """
    visible, extra = call.visible, call.extra
    mask = band_mask(
        visible.query_positions,
        visible.key_positions,
        call.window_size,
        call.dilation,
    )
    seen = None
    if extra is not None and visible.causal:
        seen = causal_mask(visible.query_positions, extra.positions)[None]
    return attend_to_all(
        call.query,
        call.key,
        call.value,
        visible._replace(attention_mask=mask[None]),
        extra,
        seen,
        mixing,
    )


def _attend_by_phases(call, mixing):
    """Cuts a dilated band into interleaved sequences without dilation."""
    if call.dilation == 1:
        return attend_in_blocks(call, mixing)
    if mixing.position.acts_on_scores:
        return _attend_in_each_phase(call, mixing)
    batch, length = ops.shape(call.query)[:2]
    dilation, visible, extra = call.dilation, call.visible, call.extra
    if extra is not None:
        extra = extra._replace(
            key=ops.repeat(extra.key, dilation, axis=0),
            value=ops.repeat(extra.value, dilation, axis=0),
            padding_mask=ops.repeat(
                rows_of(extra.padding_mask, batch), dilation, axis=0
            ),
        )
    key_mask = rows_of(key_mask_of(call), batch)
    positions = rows_of(visible.query_positions[None], batch)
    phases = call._replace(
        query=_phases(call.query, dilation),
        key=_phases(call.key, dilation),
        value=_phases(call.value, dilation),
        visible=visible._replace(
            query_positions=_phases(positions, dilation),
            padding_mask=_phases(key_mask, dilation),
        ),
        extra=extra,
        dilation=1,
        before=call.before // dilation,
    )
    output = attend_in_blocks(phases, mixing)
    output = ops.reshape(output, (batch, dilation, *ops.shape(output)[1:]))
    return join(ops.moveaxis(output, 2, 0), length)


def _attend_in_each_phase(call, mixing):
    """Attends in one dilation phase after the other, by its own positions."""
    outputs, dilation, visible = [], call.dilation, call.visible
    length = ops.shape(call.query)[1]
    longest = -(-length // dilation)
    key_mask = key_mask_of(call)
    for first in range(dilation):
        every = slice(first, None, dilation)
        phase = call._replace(
            query=call.query[:, every],
            key=call.key[:, every],
            value=call.value[:, every],
            visible=visible._replace(
                query_positions=visible.query_positions[every],
                key_positions=visible.key_positions[every],
                padding_mask=key_mask[:, every],
            ),
            dilation=1,
            before=call.before // dilation,
        )
        seed = block_seed(mixing.seed, ops.convert_to_tensor(501 + first))
        output = attend_in_blocks(phase, mixing._replace(seed=seed))
        missing = longest - ops.shape(output)[1]
        outputs.append(pad_end(output, missing, axis=1))
    return join(ops.moveaxis(ops.stack(outputs, axis=2), 1, 0), length)


def _phases(x, dilation):
    """Cuts `(batch, length, ...)` into `(batch * dilation, steps, ...)`."""
    steps = ops.moveaxis(split(x, dilation), 0, 2)  # (batch, dilation, steps)
    batch, _, *shape = ops.shape(steps)
    return ops.reshape(steps, (batch * dilation, *shape))
