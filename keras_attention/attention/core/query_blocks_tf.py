"""Blocks of queries with the backward pass written out, for TensorFlow."""

import keras
from keras import ops

from keras_attention.attention.core.dropout import DrawnSeed
from keras_attention.attention.core.softmax import (
    PLAIN,
    add_mask,
    group_rows,
    query_key_products,
    sees_any,
    swap_heads,
    weighted_values,
)
from keras_attention.attention.core.split import (
    block_seed,
    cut,
    join,
    seen_by,
    split,
    without_eager_masks,
)
from keras_attention.tensors import at_least_float32


def process_by_hand(
    query,
    key,
    value,
    visible,
    position,
    dropout,
    seed,
    block_size,
    first_block,
    keep=False,
    scoring=PLAIN,
):
    """Processes blocks of queries that all see the same keys.

    Args: as of `attend_in_blocks`, and
        position: an encoding that acts neither on scores nor on values.
        first_block: integer, the number of the first block, for dropout.
        keep: whether the weights are kept for the backward pass.
        scoring: a `Scoring`; one with a cap or learned sinks keeps nothing.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    visible = without_eager_masks(visible)
    blocks = cut(visible, block_size, first_block)

    @ops.custom_gradient
    def run(query, key, value, *sinks):
        length = ops.shape(query)[2]
        own = scoring._replace(sink=sinks[0]) if sinks else scoring
        shared = (key, value, visible, dropout, seed, own)
        parts = {**blocks, "query": split(query, block_size, axis=2)}
        outputs, weights = _mix(parts, shared, keep)

        def gradient(upstream):
            upstream = split(upstream, block_size, axis=2)
            more = {"output": outputs, "upstream": upstream}
            of_query, of_key, of_value, *of_sinks = _gradients(
                {**parts, **more}, shared, weights
            )
            return (
                join(of_query, length, axis=2),
                ops.cast(of_key, query.dtype),
                ops.cast(of_value, query.dtype),
                *(ops.cast(x, scoring.sink.dtype) for x in of_sinks),
            )

        return join(outputs, length, axis=2), gradient

    query = scoring.scale_query(query, position)
    heads = map(swap_heads, (query, key, value))
    sinks = map(ops.convert_to_tensor, scoring.learned)
    return swap_heads(run(*heads, *sinks))


def _mix(parts, shared, keep):
    """Gives the outputs of all blocks, and the array of weights or None."""

    def add_block(index, outputs, *weights):
        block = Block({k: x[index] for k, x in parts.items()}, *shared)
        outputs = outputs.write(index, block.output())
        return outputs, *(
            array.write(index, block.weights) for array in weights
        )

    query, (_, value, *_) = parts["query"], shared
    shape = [*query.shape[1:-1], value.shape[-1]]
    arrays = [_array(query, query.dtype, shape)]
    if keep:
        # An array, since a tensor of all the weights would be their copy.
        arrays.append(_array(query, at_least_float32(query.dtype)))
    outputs, *weights = loop(add_block, *arrays)
    return outputs.stack(), *(weights or [None])


def _gradients(parts, shared, weights):
    """Gives the gradients of all queries, and the sums for keys and values."""

    def add_block(index, of_query, *sums):
        part = {k: x[index] for k, x in parts.items()}
        if weights is not None:
            part["weights"] = weights.read(index)
        found, *of_keys = Block(part, *shared).gradients()
        sums = [
            total + ops.cast(one, total.dtype)
            for total, one in zip(sums, of_keys, strict=True)
        ]
        return of_query.write(index, found), *sums

    query, (key, value, *_, scoring) = parts["query"], shared
    summed = [key, value, *scoring.learned]
    # Sums of many blocks need more digits than half precision has.
    of_query, *sums = loop(
        add_block,
        _array(query, query.dtype, query.shape[1:]),
        *(ops.zeros_like(x, at_least_float32(x.dtype)) for x in summed),
    )
    return of_query.stack(), *sums


def _array(blocks, dtype, element_shape=None):
    import tensorflow as tf

    return tf.TensorArray(
        dtype,
        size=ops.shape(blocks)[0],
        clear_after_read=False,
        element_shape=element_shape,
    )


def loop(body, array, *state):
    """Calls `body(index, array, *state)` for every place of the array."""
    import tensorflow as tf

    size = array.size()
    return tf.while_loop(
        lambda index, *_: index < size,
        lambda index, *state: (index + 1, *body(index, *state)),
        (0, array, *state),
        parallel_iterations=1,  # more would need more memory
    )[1:]


class Block:
    """One block of queries, forwards and backwards.

    Args:
        parts: dictionary of what belongs to its queries: `"index"`,
            `"positions"`, `"query"` `(batch, heads, block_size, head_dim)`,
            scaled; perhaps `"mask"` and, if they were kept, `"weights"`;
            backwards also `"output"` and its gradient, `"upstream"`.
        key, value: `(batch, kv_heads, key_length, head_dim)`.
        visible: the `Visibility` of all queries.
        dropout, seed: as of `softmax.attend`.
        scoring: a `Scoring`; its scale is that of the queries already.
    """

    def __init__(self, parts, key, value, visible, dropout, seed, scoring):
        self.parts, self.key, self.value = parts, key, value
        self.dropout, self.scoring = dropout, scoring
        self.seed = block_seed(seed, parts["index"])
        self.mask = seen_by(parts, visible).dense()
        self.weights = parts.get("weights")
        if self.weights is None:
            scores = query_key_products(parts["query"], key)
            scores = ops.cast(scores, at_least_float32(scores.dtype))
            self.scores = scoring.bound(scores)
            found = scoring.weigh_all(add_mask(self.scores, self.mask))
            self.weights, self.share = found

    def output(self):
        """Gives `(batch, heads, block_size, head_dim)`."""
        weights = self._drop(ops.cast(self.weights, self.value.dtype))
        return self._hide(weighted_values(weights, self.value))

    def gradients(self):
        """Gives the gradients of the block's queries, all keys, all values.

        With weights P, output O and its gradient dO, that of the scores is
        P * (dO V' - rowsum(dO * O)), whose row sums need no pass over scores
        (Dao et al. 2022, FlashAttention, https://arxiv.org/abs/2205.14135).
        A sink is a score whose value is zero. A bound c tanh(x / c) = s
        passes on 1 - (s / c)^2.

        Returns:
            A list; the gradient of the sinks, if they are learned, comes last.
        """
        query, output = self.parts["query"], self.parts["output"]
        upstream = self._hide(self.parts["upstream"])
        weights, kv_heads = self.weights, self.key.shape[1]
        products = self._drop(query_key_products(upstream, self.value))
        products = ops.cast(products, weights.dtype)
        # Of a rounded output they would not be the sums of these products.
        is_exact = output.dtype == weights.dtype
        summed = upstream * output if is_exact else weights * products
        row_sums = ops.sum(summed, axis=-1, keepdims=True)
        scores, cap = weights * (products - row_sums), self.scoring.cap
        if cap is not None:
            scores = scores * (1.0 - ops.square(self.scores / cap))
        scores = ops.cast(scores, query.dtype)
        dropped = self._drop(ops.cast(weights, query.dtype))
        found = [
            weighted_values(scores, self.key),
            sums_by_key(scores, query, kv_heads),
            sums_by_key(dropped, upstream, kv_heads),
        ]
        if self.scoring.learned:
            found.append(ops.sum(-self.share * row_sums, axis=(0, 2, 3)))
        return found

    def _drop(self, x):
        """Drops the same places each time, if the dtype is the same too."""
        if not self.dropout:
            return x
        return keras.random.dropout(x, self.dropout, seed=DrawnSeed(self.seed))

    def _hide(self, x):
        """Zeros the rows of queries that see nothing."""
        return x if self.mask is None else ops.where(sees_any(self.mask), x, 0)


def sums_by_key(weights, query, kv_heads):
    """Sums what each group's queries have by their weights, for every key.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        query: `(batch, heads, query_length, head_dim)`.
        kv_heads: integer, number of groups.

    Returns:
        `(batch, kv_heads, key_length, head_dim)`.
    """
    return ops.einsum(
        "bhts,bhtd->bhsd",
        group_rows(weights, kv_heads),
        group_rows(query, kv_heads),
    )
