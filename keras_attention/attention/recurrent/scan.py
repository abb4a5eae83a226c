"""Cutting a sequence into chunks, and the states that stand between them."""

import keras
from keras import ops

from keras_attention.attention.core.split import count_blocks, pad_end
from keras_attention.checks import check_integer
from keras_attention.tensors import known_integer


def chunk_length(length, chunk_size):
    """Chooses how long the chunks of a call are: a power of two.

    Args:
        length: integer, or None where a graph learns it later.
        chunk_size: integer, a power of two, the most there may be.

    Returns:
        An integer; a short sequence is one chunk.
    """
    length = known_integer(length)
    if length is None:
        return chunk_size
    return min(chunk_size, 1 << max(length - 1, 0).bit_length())


def to_chunks(x, size):
    """Cuts the length into chunks, the last one padded with zeros.

    Args:
        x: `(batch, length, heads, width)`.
        size: integer, rows in a chunk.

    Returns:
        `(batch, heads, chunks, size, width)`.
    """
    batch, length, heads, width = ops.shape(x)
    chunks = count_blocks(length, size)
    x = pad_end(x, chunks * size - length, axis=1)
    return ops.reshape(
        ops.swapaxes(x, 1, 2), (batch, heads, chunks, size, width)
    )


def from_chunks(x, length):
    """Undoes `to_chunks`.

    Args:
        x: `(batch, heads, chunks, size, width)`.
        length: integer, rows that there were.

    Returns:
        `(batch, length, heads, width)`.
    """
    batch, heads, chunks, size, width = ops.shape(x)
    rows = ops.reshape(x, (batch, heads, chunks * size, width))
    if known_integer(chunks * size - length) != 0:
        rows = rows[:, :, :length]
    return ops.swapaxes(rows, 1, 2)


def states_between(transition, update, first, apply=ops.multiply):
    """Follows a state through all chunks: S becomes `apply(A, S) + U`.

    Args:
        transition: what a chunk does to the state before it, `(batch or 1,
            heads, chunks, ...)`.
        update: what a chunk adds, `(batch, heads, chunks, d_k, d_v)`.
        first: the state before the first, `(batch, heads, d_k, d_v)`, or None
            for zeros.
        apply: function that applies a transition to a state or, which is
            the same, to an earlier transition; it keeps the first three axes.

    Returns:
        `(before, last)`: the state before each chunk, `(batch, heads, chunks,
        d_k, d_v)`, and the one behind all of them, `(batch, heads, d_k,
        d_v)`.
    """
    if first is None:
        first = ops.zeros_like(update[:, :, 0])
    first = ops.expand_dims(first, 2)
    follow = _blelloch_scan
    if known_integer(update.shape[2]) is None:
        follow = _one_by_one
    before, last = follow(transition, update, first, apply)
    return before, last[:, :, 0]


def _blelloch_scan(transition, update, first, apply):
    """Scans associatively (Blelloch): chunks in pairs, pairs in pairs, back.

    As many products as chunks, in twice log2(chunks) steps without a loop.
    """
    chunks = update.shape[2]
    if chunks == 1:
        return first, apply(transition, first) + update
    odd = chunks % 2
    if odd:
        # What follows the last chunk is then the state before this one.
        transition, update = _one_more(transition), _one_more(update)
    (early, late), (adds, adds_late) = _pairs(transition), _pairs(update)
    before, last = _blelloch_scan(
        apply(late, early), apply(late, adds) + adds_late, first, apply
    )
    before = ops.stack([before, apply(early, before) + adds], axis=3)
    batch, heads, pairs, two, *widths = ops.shape(before)
    before = ops.reshape(before, (batch, heads, pairs * two, *widths))
    if odd:
        before, last = before[:, :, :-1], before[:, :, -1:]
    return before, last


def _one_more(x):
    return ops.pad(x, [(0, 0), (0, 0), (0, 1), (0, 0), (0, 0)])


def _pairs(x):
    """Splits into the first and the second of every two chunks."""
    batch, heads, chunks, *widths = ops.shape(x)
    x = ops.reshape(x, (batch, heads, chunks // 2, 2, *widths))
    return x[:, :, :, 0], x[:, :, :, 1]


def _one_by_one(transition, update, first, apply):
    """Follows a number of chunks that a graph learns only when it runs."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError("The length must be known on this backend.")
    # `ops.scan` gives no bound, without which XLA cannot differentiate.
    import tensorflow as tf

    def spread(x):
        x = ops.expand_dims(ops.moveaxis(x, 2, 0), 3)
        # Read from an array: slices would each have a gradient of full size.
        array = tf.TensorArray(x.dtype, count, element_shape=x.shape[1:])
        return array.unstack(x)

    def body(index, state, states):
        states = states.write(index, state)
        state = apply(transitions.read(index), state) + updates.read(index)
        return index + 1, state, states

    count = ops.shape(update)[2]
    transitions, updates = spread(transition), spread(update)
    states = tf.TensorArray(update.dtype, count, element_shape=first.shape)
    _, last, states = tf.while_loop(
        lambda index, *_: index < count,
        body,
        (0, first, states),
        maximum_iterations=count,
    )
    before = ops.moveaxis(states.stack()[:, :, :, 0], 0, 2)
    return before, last


def check_chunk_size(chunk_size):
    """Refuses what is no power of two."""
    check_integer("chunk_size", chunk_size)
    if chunk_size & (chunk_size - 1):
        raise ValueError(
            "chunk_size must be a power of two, 64 for example. Received: "
            f"{chunk_size}"
        )
