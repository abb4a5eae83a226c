"""Exact softmax attention, whole or in blocks of queries."""

import keras
from keras import ops

from keras_attention.positions.base import known_integer

_SEGMENTS = 4


def attention_scores(query, key, visible, position):
    """Computes masked, scaled scores with the position's bias.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key: `(batch, key_length, kv_heads, head_dim)`.
        visible: the `Visibility` of these queries.
        position: a `PositionalEncoding`.

    Returns:
        `(scores, mask)`: scores `(batch, heads, query_length, key_length)`
        in float32, or float64 for such inputs; the mask that was applied,
        broadcastable to them, or None.
    """
    scaled = query * ops.cast(position.scale(query.shape[-1]), query.dtype)
    scores = query_key_products(scaled, key)
    # Softmax and its mask need more range than float16 has.
    if keras.backend.standardize_dtype(scores.dtype) != "float64":
        scores = ops.cast(scores, "float32")
    bias = position.bias(
        query,
        key,
        visible.query_positions,
        visible.key_positions,
        visible.causal,
    )
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    mask = visible.dense()
    if mask is not None:
        # Added, since the gradient of a sum is for free and that of a choice
        # is not; what is so far below one that it vanishes beside it.
        scores = scores - ops.cast(ops.logical_not(mask), scores.dtype) * 1e30
    return scores, mask


def attention_weights(query, key, visible, position):
    """Computes softmax weights; rows that see nothing get zeros.

    Args: as of `attention_scores`.

    Returns:
        `(batch, heads, query_length, key_length)` in the dtype of `query`.
    """
    scores, mask = attention_scores(query, key, visible, position)
    weights = _softmax(scores)
    if mask is not None:
        weights = ops.where(_sees(mask), weights, 0.0)
    return ops.cast(weights, query.dtype)


def attend(query, key, value, visible, position, dropout=0.0, seed=None):
    """Mixes all values at once: softmax(QK' / sqrt(d)) V.

    Args: as of `attention_scores`, and
        value: `(batch, key_length, kv_heads, head_dim)`.
        dropout: share of the weights that is dropped.
        seed: integer tensor `(2,)` for dropout.

    Returns:
        `(batch, query_length, heads, head_dim)`; zeros for queries that see
        nothing.
    """
    scores, mask = attention_scores(query, key, visible, position)
    weights = ops.cast(_softmax(scores), query.dtype)
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=HeldSeed(seed))
    output = weighted_values(weights, value)
    extra = position.values(
        weights, visible.query_positions, visible.key_positions
    )
    if extra is not None:
        output = output + ops.cast(extra, output.dtype)
    if mask is not None:
        # Here and not in the weights, which are so much larger.
        output = ops.where(ops.swapaxes(_sees(mask), 1, 2), output, 0.0)
    return output


def _softmax(scores):
    if scores.shape[-1] == 1:  # Keras warns of a softmax over one number.
        return ops.ones_like(scores) + 0.0 * scores
    return ops.softmax(scores, axis=-1)


def _sees(mask):
    """Whether a query sees any key: `(batch or 1, 1, query_length or 1, 1)`."""
    return ops.any(mask, axis=-1, keepdims=True)


def attend_in_blocks(
    query,
    key,
    value,
    visible,
    position,
    dropout=0.0,
    seed=None,
    block_size=256,
    recompute=True,
):
    """Mixes values for one block of queries after the other.

    The numbers are those of `attend`, but no more than one block of scores
    exists at a time: each block is recomputed in the backward pass. In causal
    self-attention each quarter of the queries leaves out the keys behind it.

    Args: as of `attend`, and
        block_size: integer, queries in a block.
        recompute: whether blocks are recomputed instead of kept.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    length = known_integer(query.shape[1])
    known = length is not None and known_integer(block_size) is not None
    if known:
        block_size = min(block_size, length)
    options = (position, dropout, seed, block_size, recompute)
    in_order = visible.key_positions is visible.query_positions
    if not (known and visible.causal and in_order):
        return _map_blocks(query, key, value, visible, *options)
    num_blocks = -(-length // block_size)
    step = -(-num_blocks // _SEGMENTS) * block_size
    pieces = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        piece = _map_blocks(
            query[:, start:stop],
            key[:, :stop],
            value[:, :stop],
            visible.block(start, stop, key_stop=stop),
            *options,
            first_block=start // block_size,
        )
        pieces.append(piece)
    return ops.concatenate(pieces, axis=1)


def _map_blocks(
    query,
    key,
    value,
    visible,
    position,
    dropout,
    seed,
    block_size,
    recompute,
    first_block=0,
):
    """Works off blocks of queries that all see the same keys."""
    length = ops.shape(query)[1]
    num_blocks = -(-length // block_size)
    blocks = {
        "index": first_block + ops.arange(num_blocks, dtype="int32"),
        "query": _split(query, num_blocks, block_size, axis=1),
        "positions": _split(
            visible.query_positions, num_blocks, block_size, axis=0
        ),
    }
    if visible.attention_mask is not None:
        blocks["mask"] = _split(
            visible.attention_mask, num_blocks, block_size, axis=1
        )

    # Read here, since a TensorFlow loop cannot differentiate a variable that
    # it reads inside; as a sum, since eagerly the variable itself would be
    # counted once more, beside the argument.
    variables = position.trainable_variables
    weights = [variable + 0.0 for variable in variables]
    if visible.padding_mask is not None:
        # TensorFlow cannot differentiate a loop inside a function that
        # captures an eager tensor of booleans.
        visible = visible._replace(padding_mask=ops.copy(visible.padding_mask))
    # Swapped once here, so that the swaps inside the loop cancel.
    key, value = ops.swapaxes(key, 1, 2), ops.swapaxes(value, 1, 2)

    def run(block):
        seen = visible._replace(
            query_positions=block["positions"],
            attention_mask=block.get("mask"),
        )
        block_seed = None if seed is None else _block_seed(seed, block["index"])

        # What has a gradient is an argument, and the rest is captured: on
        # TensorFlow recomputation loses the gradients of captured tensors and
        # warns of integer arguments.
        def attend_block(query, key, value, *weights):
            mapping = list(zip(variables, weights, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return attend(
                    query,
                    ops.swapaxes(key, 1, 2),
                    ops.swapaxes(value, 1, 2),
                    *(seen, position, dropout, block_seed),
                )

        if recompute:
            attend_block = keras.remat(attend_block)
        return attend_block(block["query"], key, value, *weights)

    output = ops.moveaxis(ops.map(run, blocks), 0, 1)
    batch, _, _, heads, head_dim = ops.shape(output)
    output = ops.reshape(
        output, (batch, num_blocks * block_size, heads, head_dim)
    )
    return output[:, :length]


def _split(x, num_blocks, block_size, axis):
    """Pads an axis to whole blocks and brings the block axis to the front."""
    shape = list(ops.shape(x))
    padding = [(0, 0)] * len(shape)
    padding[axis] = (0, num_blocks * block_size - shape[axis])
    shape[axis : axis + 1] = [num_blocks, block_size]
    return ops.moveaxis(ops.reshape(ops.pad(x, padding), shape), axis, 0)


def _block_seed(seed, index):
    # Torch adds the two numbers of a seed, so steps of one would draw block
    # 1 of this call again as block 0 of the next.
    step = ops.cast(index % 1000 + 1, seed.dtype) * 1_000_003
    return seed + ops.stack([step, ops.zeros_like(step)])


def query_key_products(query, key):
    """Multiplies every query with every key of its group of heads.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key: `(batch, key_length, kv_heads, head_dim)`.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    batch, length, heads, head_dim = ops.shape(query)
    kv_heads, key_length = key.shape[2], ops.shape(key)[1]
    # A swap and a product of what is by heads: where keys are kept by heads,
    # the compiler finds that the swap cancels. (`matmul` on torch gives
    # float32 for float64.)
    rows = ops.reshape(
        ops.swapaxes(query, 1, 2),
        (batch, kv_heads, heads // kv_heads * length, head_dim),
    )
    products = ops.einsum("bhtd,bhsd->bhts", rows, ops.swapaxes(key, 1, 2))
    return ops.reshape(products, (batch, heads, length, key_length))


def weighted_values(weights, value):
    """Sums the values of each group of heads by their weights.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        value: `(batch, key_length, kv_heads, head_dim)`.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    batch, heads, length, key_length = ops.shape(weights)
    kv_heads, head_dim = value.shape[2:]
    rows = ops.reshape(
        weights, (batch, kv_heads, heads // kv_heads * length, key_length)
    )
    output = ops.einsum("bhts,bhsd->bhtd", rows, ops.swapaxes(value, 1, 2))
    output = ops.reshape(output, (batch, heads, length, head_dim))
    return ops.swapaxes(output, 1, 2)


class HeldSeed(keras.random.SeedGenerator):
    """A seed that is drawn already and stays the same.

    Dropout inside `keras.remat` is computed twice and must draw the same
    numbers both times, so the seed is drawn outside and handed in.

    Args:
        value: integer tensor `(2,)` from `SeedGenerator.next()`.
    """

    # No `super().__init__()`: it would create a variable.
    def __init__(self, value):
        self.value = value
        self._initial_seed = 0

    def next(self, ordered=True):
        return self.value
