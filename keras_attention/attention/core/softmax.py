"""Exact softmax attention, all queries at once."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.core.dropout import DrawnSeed
from keras_attention.checks import is_real
from keras_attention.tensors import at_least_float32


class Scoring(NamedTuple):
    """What a layer changes on the way from products to weights.

    Attributes:
        scale: number, the factor of the products; None for the position's.
        cap: number, the bound of scaled products; None for no bound.
        sink: the logit that stands beside those of the keys and takes no
            value: `(heads,)`, a number for all heads, or None.
    """

    scale: Any = None
    cap: Any = None
    sink: Any = None

    @property
    def learned(self):
        """Lists what has a gradient: sinks of the heads, or nothing."""
        fixed = self.sink is None or is_real(self.sink)
        return [] if fixed else [self.sink]

    def scale_query(self, query, position):
        """Multiplies queries by the factor of their products."""
        scale = self.scale
        if scale is None:
            scale = position.scale(query.shape[-1])
        return query * ops.cast(scale, query.dtype)

    def bound(self, products):
        """Bounds scaled products, before a bias is added."""
        return products if self.cap is None else soft_cap(products, self.cap)

    def weigh(self, scores):
        """Makes weights of scores `(batch, heads, ..., keys)`."""
        return self.weigh_all(scores)[0]

    def weigh_all(self, scores):
        """Gives the weights of the keys, and that of the sink or None."""
        if self.sink is None:
            return softmax(scores), None
        sink = ops.convert_to_tensor(self.sink)
        if len(sink.shape):
            sink = ops.reshape(sink, (-1, *[1] * (len(scores.shape) - 2)))
        return softmax_with_sink(scores, sink)


PLAIN = Scoring()


def swap_heads(x):
    """Swaps the axes of length and heads, the second and the third."""
    return ops.swapaxes(x, 1, 2)


def query_key_products(query, key):
    """Multiplies every query with every key of its group of heads.

    Args:
        query: `(batch, heads, query_length, head_dim)`.
        key: `(batch, kv_heads, key_length, head_dim)`.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    # `matmul` on torch gives float32 for float64.
    products = ops.einsum(
        "bhtd,bhsd->bhts", group_rows(query, key.shape[1]), key
    )
    return ops.reshape(products, (*ops.shape(query)[:3], ops.shape(key)[2]))


def weighted_values(weights, value):
    """Sums the values of each group of heads by their weights.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        value: `(batch, kv_heads, key_length, head_dim)`.

    Returns:
        `(batch, heads, query_length, head_dim)`.
    """
    output = ops.einsum(
        "bhts,bhsd->bhtd", group_rows(weights, value.shape[1]), value
    )
    return ops.reshape(output, (*ops.shape(weights)[:3], value.shape[3]))


def group_rows(rows, kv_heads):
    """Brings the rows of all heads that share a key head together."""
    batch, heads, length, width = ops.shape(rows)
    return ops.reshape(
        rows, (batch, kv_heads, heads // kv_heads * length, width)
    )


def scores(query, key, visible, position, scoring=PLAIN):
    """Computes scaled scores with the position's bias, before any mask.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key: `(batch, key_length, kv_heads, head_dim)`.
        visible: the `Visibility` of these queries.
        position: a `PositionalEncoding`.
        scoring: a `Scoring`.

    Returns:
        `(batch, heads, query_length, key_length)` in float32, or float64 for
        such inputs.
    """
    products = scaled_products(query, key, position, scoring)
    return add_bias(products, query, key, visible, position)


def scaled_products(query, key, position, scoring=PLAIN):
    """Computes scaled, bounded products of queries and keys, without bias.

    Args: as of `scores`.

    Returns:
        `(batch, heads, query_length, key_length)` in float32, or float64 for
        such inputs.
    """
    scaled = scoring.scale_query(query, position)
    # Where keys are kept by heads, the compiler finds that the swap cancels.
    products = query_key_products(swap_heads(scaled), swap_heads(key))
    products = ops.cast(products, at_least_float32(products.dtype))
    return scoring.bound(products)


def add_bias(products, query, key, visible, position):
    """Adds the position's bias to what was compared, in enough precision.

    Args: as of `scores`, and
        products: `(batch, heads, query_length, key_length)`.

    Returns:
        What `scores` returns.
    """
    products = ops.cast(products, at_least_float32(products.dtype))
    bias = position.bias_in(query, key, visible)
    if bias is None:
        return products
    return products + ops.cast(bias, products.dtype)


def add_mask(scores, mask):
    """Lowers scores that do not count so far that they vanish.

    Args:
        scores: `(batch, heads, query_length, key_length)`, float32 or float64:
            float16 has no numbers so low.
        mask: boolean, broadcastable to them, True for those that count; or
            None.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    if mask is None:
        return scores
    # Added, since the gradient of a sum is for free and that of a choice is
    # not.
    return scores - ops.cast(ops.logical_not(mask), scores.dtype) * 1e30


def weigh(scores, mask, scoring=PLAIN):
    """Computes softmax weights; rows that see nothing get zeros.

    Args:
        scores: `(batch, heads, query_length, key_length)`.
        mask: boolean, broadcastable to them, or None.
        scoring: a `Scoring`.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    return hide_unseen(scoring.weigh(add_mask(scores, mask)), mask)


def hide_unseen(weights, mask):
    """Gives zeros to queries that may attend to nothing; `mask` may be None."""
    if mask is None:
        return weights
    return ops.where(sees_any(mask), weights, 0.0)


def attend(
    query,
    key,
    value,
    visible,
    position,
    dropout=0.0,
    seed=None,
    scoring=PLAIN,
):
    """Mixes all values at once: softmax(QK' / sqrt(d)) V.

    Args: as of `scores`, and
        value: `(batch, key_length, kv_heads, head_dim)`.
        dropout: share of the weights that is dropped.
        seed: integer tensor `(2,)` for dropout.

    Returns:
        `(batch, query_length, heads, head_dim)`; zeros for queries that see
        nothing.
    """
    mask = visible.dense()
    found = scores(query, key, visible, position, scoring)
    weights = ops.cast(scoring.weigh(add_mask(found, mask)), query.dtype)
    return mix(weights, value, mask, visible, position, dropout, seed)


def mix(weights, value, mask, visible, position, dropout=0.0, seed=None):
    """Sums values by their weights, and what the position adds to them.

    Args: as of `attend`, and
        weights: `(batch, heads, query_length, key_length)`; those of queries
            that see nothing may be any finite numbers.
        mask: boolean, broadcastable to them, or None: what queries see.

    Returns:
        What `attend` returns.
    """
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=DrawnSeed(seed))
    output = swap_heads(weighted_values(weights, swap_heads(value)))
    extra = position.values_in(weights, visible)
    if extra is not None:
        output = output + ops.cast(extra, output.dtype)
    if mask is not None:
        # Here and not in the weights, which are so much larger.
        output = ops.where(swap_heads(sees_any(mask)), output, 0.0)
    return output


def softmax(scores):
    """Softmax over the keys, the last axis of scores of any shape."""
    if scores.shape[-1] == 1:
        # Keras warns of a softmax over one number. Ones instead would be
        # wrong in a graph that is traced at one key and run at several.
        return ops.exp(ops.log_softmax(scores, axis=-1))
    return ops.softmax(scores, axis=-1)


def sees_any(mask):
    """Whether a query sees any key: `(batch or 1, 1, query_length or 1, 1)`."""
    return ops.any(mask, axis=-1, keepdims=True)


def soft_cap(scores, cap):
    """Bounds scores smoothly by -cap and cap.

    Args:
        scores: a tensor of any shape.
        cap: float, the largest score.

    Returns:
        A tensor of the same shape: `cap * tanh(scores / cap)`.
    """
    if keras.backend.standardize_dtype(scores.dtype) == "float64":
        # `tanh` on JAX gives float32.
        return cap * (2.0 * ops.sigmoid(2.0 * scores / cap) - 1.0)
    return cap * ops.tanh(scores / cap)


def softmax_with_sink(scores, sink):
    """Softmax over the keys and one logit more, which takes no value.

    exp(s) / (exp(sink) + sum of exp(s)): a query that finds nothing may give
    its weight to the sink.

    Args:
        scores: `(..., keys)`, those that do not count lowered by `add_mask`.
        sink: broadcastable to the scores, with 1 in place of the keys.

    Returns:
        `(weights, share)`: a tensor of the shape of `scores`, zeros in rows
        where nothing counts; and what the sink takes, `(..., 1)`.
    """
    sink = ops.cast(sink, scores.dtype)
    # It cancels, and so has no gradient.
    highest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    bound = ops.stop_gradient(sink)
    # `maximum` on torch gives float32 for float64.
    highest = ops.where(highest > bound, highest, bound)
    raised = ops.exp(scores - highest)
    of_sink = ops.exp(sink - highest)
    total = ops.sum(raised, axis=-1, keepdims=True) + of_sink
    return raised / total, of_sink / total
