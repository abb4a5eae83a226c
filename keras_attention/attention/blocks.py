"""Exact softmax attention in blocks of queries."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.products import (
    query_key_products,
    sums_by_key,
    swap_heads,
    weighted_values,
)
from keras_attention.attention.softmax import (
    HeldSeed,
    add_mask,
    attend,
    sees_any,
    softmax,
    softmax_dtype,
)
from keras_attention.positions.base import known_integer

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
):
    """Mixes values for one block of queries after the other.

    The numbers are those of `softmax.attend`, but no more than one block of
    scores exists at a time: each block is computed again in the backward pass.
    In causal self-attention each quarter of the queries leaves out the keys
    behind it.

    Args: as of `softmax.attend`, and
        block_size: integer, queries in a block.
        keep: integer, scores that may be kept for the backward pass instead
            of being computed again; on TensorFlow, where sizes are known.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    # Nothing fuses the parts of a gradient on TensorFlow.
    by_hand = keras.backend.backend() == "tensorflow"
    by_hand = by_hand and not position.acts_on_scores
    work_off = _work_off_by_hand if by_hand else _work_off
    in_order = visible.key_positions is visible.query_positions
    parts = [_Part(0, None, None, False)]
    length, known_size = map(known_integer, (query.shape[1], block_size))
    if length is not None:
        minimum = ops.minimum if known_size is None else min
        block_size = minimum(block_size, length)
        batch, key_length = map(known_integer, (query.shape[0], key.shape[1]))
        if not by_hand or None in (known_size, batch, key_length):
            keep = 0
        parts = _plan(
            length,
            key_length,
            known_integer(block_size) or 1,
            _SEGMENTS if visible.causal and in_order else 1,
            keep and keep // (batch * query.shape[2]),
        )
    outputs, first_block = [], 0
    for start, stop, key_stop, kept in parts:
        piece = work_off(
            _rows(query, start, stop),
            _rows(key, 0, key_stop),
            _rows(value, 0, key_stop),
            visible.block(start, stop, key_stop),
            position,
            *(dropout, seed, block_size, first_block),
            **({"keep": kept} if by_hand else {}),
        )
        outputs.append(piece)
        if len(parts) > 1:
            first_block += -(-(stop - start) // block_size)
    return outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, 1)


class _Part(NamedTuple):
    """A range of queries that see the same keys, those before `key_stop`."""

    start: int
    stop: Any
    key_stop: Any
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


def _work_off(
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
    """Works off blocks of queries that all see the same keys."""
    # Read here, since a TensorFlow loop cannot differentiate a variable that
    # it reads inside; as a sum, since eagerly the variable itself would be
    # counted once more, beside the argument.
    variables = position.trainable_variables
    weights = [variable + 0.0 for variable in variables]
    visible = _without_eager_masks(visible)
    # Swapped once here, so that the swaps inside the loop cancel.
    key, value = swap_heads(key), swap_heads(value)

    def run(block):
        seen = _seen_by(block, visible)
        block_seed = _block_seed(seed, block["index"])

        # What has a gradient is an argument, and the rest is captured: on
        # TensorFlow recomputation loses the gradients of captured tensors and
        # warns of integer arguments.
        def attend_block(query, key, value, *weights):
            mapping = list(zip(variables, weights, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return attend(
                    query,
                    swap_heads(key),
                    swap_heads(value),
                    *(seen, position, dropout, block_seed),
                )

        attend_block = keras.remat(attend_block)
        return attend_block(block["query"], key, value, *weights)

    blocks = _cut(visible, block_size, first_block)
    blocks["query"] = _split(query, block_size)
    return _join(ops.map(run, blocks), ops.shape(query)[1])


def _work_off_by_hand(
    query,
    key,
    value,
    visible,
    position,
    dropout,
    seed,
    block_size,
    first_block,
    keep,
):
    """As `_work_off`, with the backward pass written out for TensorFlow."""
    import tensorflow as tf

    visible = _without_eager_masks(visible)
    blocks = _cut(visible, block_size, first_block)
    num_blocks = ops.shape(blocks["index"])[0]
    scale = ops.cast(position.scale(query.shape[-1]), query.dtype)

    def loop(body, *state):
        return tf.while_loop(
            lambda index, *_: index < num_blocks,
            lambda index, *state: (index + 1, *body(index, *state)),
            (0, *state),
            parallel_iterations=1,  # more would need more memory
        )[1:]

    def array(dtype, element_shape=None):
        return tf.TensorArray(
            dtype,
            num_blocks,
            clear_after_read=False,
            element_shape=element_shape,
        )

    @ops.custom_gradient
    def run(query, key, value):
        length = ops.shape(query)[2]
        shared = (key, value, visible, dropout, seed)
        read = {**blocks, "query": _split(query, block_size, axis=2)}
        block_shape = read["query"].shape[1:]

        def attend_block(index, outputs, weights):
            block = _Block({k: x[index] for k, x in read.items()}, *shared)
            if keep:
                weights = weights.write(index, block.weights)
            return outputs.write(index, block.output()), weights

        # An array, since a tensor of all the weights would be their copy.
        weights = array(softmax_dtype(query.dtype))
        outputs = array(query.dtype, block_shape)
        outputs, weights = loop(attend_block, outputs, weights)
        outputs = outputs.stack()

        def gradient(upstream):
            parts = {
                **read,
                "output": outputs,
                "upstream": _split(upstream, block_size, axis=2),
            }

            def add_block(index, found, *sums):
                part = {k: x[index] for k, x in parts.items()}
                if keep:
                    part["weights"] = weights.read(index)
                of_query, *of_keys = _Block(part, *shared).gradients()
                sums = [a + b for a, b in zip(sums, of_keys, strict=True)]
                return found.write(index, of_query), *sums

            found = array(query.dtype, block_shape)
            zeros = ops.zeros_like(key), ops.zeros_like(value)
            found, *sums = loop(add_block, found, *zeros)
            return _join(found.stack(), length, axis=2), *sums

        return _join(outputs, length, axis=2), gradient

    output = run(swap_heads(query * scale), swap_heads(key), swap_heads(value))
    return swap_heads(output)


class _Block:
    """One block of queries, forwards and backwards.

    Args:
        parts: dictionary of what belongs to its queries: `"index"`,
            `"positions"`, `"query"` `(batch, heads, block_size, head_dim)`,
            scaled; perhaps `"mask"` and, if they were kept, `"weights"`;
            backwards also `"output"` and its gradient, `"upstream"`.
        key, value: `(batch, kv_heads, key_length, head_dim)`.
        visible: the `Visibility` of all queries.
        dropout, seed: as of `softmax.attend`.
    """

    def __init__(self, parts, key, value, visible, dropout, seed):
        self.parts, self.key, self.value = parts, key, value
        self.dropout = dropout
        self.seed = _block_seed(seed, parts["index"])
        self.mask = _seen_by(parts, visible).dense()
        self.weights = parts.get("weights")
        if self.weights is None:
            scores = query_key_products(parts["query"], key)
            scores = ops.cast(scores, softmax_dtype(scores.dtype))
            self.weights = softmax(add_mask(scores, self.mask))

    def output(self):
        """Gives `(batch, heads, block_size, head_dim)`."""
        weights = self._drop(ops.cast(self.weights, self.value.dtype))
        return self._hide(weighted_values(weights, self.value))

    def gradients(self):
        """Gives the gradients of the block's queries, all keys, all values.

        With weights P, output O and its gradient dO, that of the scores is
        P * (dO V' - rowsum(dO * O)), whose row sums need no pass over scores
        (Dao et al. 2022, FlashAttention, https://arxiv.org/abs/2205.14135).
        """
        query, output = self.parts["query"], self.parts["output"]
        upstream = self._hide(self.parts["upstream"])
        weights, kv_heads = self.weights, self.key.shape[1]
        dtype = weights.dtype
        row_sums = ops.sum(
            ops.cast(upstream, dtype) * ops.cast(output, dtype),
            axis=-1,
            keepdims=True,
        )
        products = ops.cast(query_key_products(upstream, self.value), dtype)
        scores = weights * (self._drop(products) - row_sums)
        scores = ops.cast(scores, query.dtype)
        weights = self._drop(ops.cast(weights, query.dtype))
        return (
            weighted_values(scores, self.key),
            sums_by_key(scores, query, kv_heads),
            sums_by_key(weights, upstream, kv_heads),
        )

    def _drop(self, x):
        """Drops the same places each time."""
        if not self.dropout:
            return x
        return keras.random.dropout(x, self.dropout, seed=HeldSeed(self.seed))

    def _hide(self, x):
        """Zeros the rows of queries that see nothing."""
        return x if self.mask is None else ops.where(sees_any(self.mask), x, 0)


def _cut(visible, block_size, first_block):
    """Cuts what belongs to the queries, but for their features, into blocks."""
    positions = _split(visible.query_positions, block_size, axis=0)
    num_blocks = ops.shape(positions)[0]
    blocks = {
        "index": first_block + ops.arange(num_blocks, dtype="int32"),
        "positions": positions,
    }
    if visible.attention_mask is not None:
        blocks["mask"] = _split(visible.attention_mask, block_size)
    return blocks


def _seen_by(block, visible):
    return visible._replace(
        query_positions=block["positions"], attention_mask=block.get("mask")
    )


def _without_eager_masks(visible):
    # TensorFlow cannot differentiate a loop inside a function that captures
    # an eager tensor of booleans.
    if visible.padding_mask is None:
        return visible
    return visible._replace(padding_mask=ops.copy(visible.padding_mask))


def _split(x, block_size, axis=1):
    """Pads an axis to whole blocks and brings the block axis to the front."""
    shape = list(ops.shape(x))
    num_blocks = -(-shape[axis] // block_size)
    padding = [(0, 0)] * len(shape)
    padding[axis] = (0, num_blocks * block_size - shape[axis])
    shape[axis : axis + 1] = [num_blocks, block_size]
    return ops.moveaxis(ops.reshape(ops.pad(x, padding), shape), axis, 0)


def _join(blocks, length, axis=1):
    """Undoes `_split`."""
    num_blocks, *shape = ops.shape(blocks)
    shape[axis] = num_blocks * shape[axis]
    rows = ops.reshape(ops.moveaxis(blocks, 0, axis), shape)
    return rows[(slice(None),) * axis + (slice(length),)]


def _block_seed(seed, index):
    # Torch adds the two numbers of a seed, so steps of one would draw block
    # 1 of this call again as block 0 of the next.
    if seed is None:
        return None
    step = ops.cast(index % 1000 + 1, seed.dtype) * 1_000_003
    return seed + ops.stack([step, ops.zeros_like(step)])
