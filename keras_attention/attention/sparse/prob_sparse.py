"""ProbSparse attention: the queries that matter attend, the rest average."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.softmax import (
    query_key_products,
    swap_heads,
    weighted_values,
)
from keras_attention.checks import check_integer
from keras_attention.masks import causal_mask, combine_masks, hide
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32, is_made_up, known_integer

# Lengths from which on one more is `ceil(log(1 + length))`: powers of e.
_STEPS = (
    1,
    2,
    7,
    20,
    54,
    148,
    403,
    1096,
    2980,
    8103,
    22026,
    59874,
    162754,
    442413,
    1202604,
    3269017,
    8886110,
    24154952,
    65659969,
    178482300,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ProbSparseAttention(Attention):
    """Softmax attention of the few queries whose weights are not flat.

    The `u = factor * ceil(log(1 + n))` queries with the largest measure `M =
    max(s) - sum(s) / n` attend to all keys, where `s` are the scores of a
    query on a random sample of `u` keys. The others get the mean of all
    values, or, in causal attention, the sum of the values so far. Up to about
    15 tokens (with the default factor) every query is chosen and attention is
    exact.

    The sample is one for all queries and heads, drawn once and saved with the
    weights, so that inference is the same every time. It is drawn from the
    tokens of a row that count, and `n` counts these alone: padding changes
    nothing.

    With the causal mask no query sees a later key, but which queries are
    chosen depends on the whole sequence; so it has no cache.

    Departures: the paper's own code draws a sample for each query; one for
    all (as in `transformers`) needs no copy of the keys for each query. The
    sum in causal attention, and the division by `n` in `M` where `u` keys are
    summed, are those of the published code; the paper writes means.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads; `num_heads` by
            default.
        factor: integer, how many queries and sampled keys there are for each
            unit of the logarithm of the length.
        use_bias, dropout, position, kernel_initializer: see `Attention`.
        seed: integer for the sample and dropout; drawn by default.

    Call arguments:
        query: `(batch, length, dim)`; it attends to itself alone.
        padding_mask: boolean `(batch, length)`.
        use_causal_mask, start, training: see `Attention`.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for cross-attention, a dense mask or a cache.

    Example:

    ```python
    import keras
    from keras_attention import ProbSparseAttention

    layer = ProbSparseAttention(num_heads=4, factor=5)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Zhou et al. 2021, Informer: Beyond Efficient Transformer for Long
        Sequence Time-Series Forecasting, https://arxiv.org/abs/2012.07436
    """

    paper = "Zhou et al. 2021"
    cost = "nd log n / n log n"
    supports_cross_attention = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False
    exact_causal = False

    def __init__(
        self, num_heads, head_dim=None, num_kv_heads=None, *, factor=5, **kwargs
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("factor", factor)
        self.factor = factor

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.sample = self.add_weight(
            name="sample",
            shape=(self.factor * len(_STEPS),),
            initializer=keras.initializers.RandomUniform(0, 1, self.seed),
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(query):
            return query  # How many to choose has no number there.
        if visible.padding_mask is not None:
            query = hide(query, visible.padding_mask)
        count = _count(query, visible)
        query, key = swap_heads(query), swap_heads(key)
        chosen, valid = self._choose(query, key, visible, count)
        scores = query_key_products(
            ops.take_along_axis(query, chosen[..., None], axis=2)
            * ops.cast(position.scale(query.shape[-1]), query.dtype),
            key,
        )
        scores = ops.cast(scores, at_least_float32(scores.dtype))
        weights = softmax.weigh(scores, _mask_of(chosen, visible))
        weights = ops.cast(weights, query.dtype)
        if self.dropout and training:
            weights = keras.random.dropout(
                weights, self.dropout, seed=self.seed_generator
            )
        active = weighted_values(weights, swap_heads(value))
        # `(batch, heads, length, u)`: a product puts the rows in their places.
        rows = ops.arange(ops.shape(query)[2], dtype=chosen.dtype)
        places = ops.equal(rows[:, None], chosen[:, :, None])
        places = ops.logical_and(places, valid[:, None, None])
        placed = ops.einsum(
            "bhtu,bhud->bhtd", ops.cast(places, active.dtype), active
        )
        lazy = self._lazy_output(value, visible, count)
        output = ops.where(ops.any(places, -1, keepdims=True), placed, lazy)
        return swap_heads(output)

    def compute_weights(self, query, key, visible, position):
        # What mixes the rows of the identity are the weights themselves.
        batch, length, heads, _ = ops.shape(key)
        value = ops.eye(length, dtype=query.dtype)[None, :, None]
        value = ops.broadcast_to(value, (batch, length, heads, length))
        if visible.padding_mask is not None:
            value = hide(value, visible.padding_mask)
        return swap_heads(self.attend(query, key, value, visible, position))

    def _choose(self, query, key, visible, count):
        """Chooses queries by the measure of how far from flat they are.

        Args:
            query: `(batch, heads, length, head_dim)`.
            key: `(batch, kv_heads, length, head_dim)`.
            count: integers `(batch or 1, 1)`, tokens that count.

        Returns:
            `(chosen, valid)`: places `(batch, heads, u)`, and boolean `(batch
            or 1, u)`, as many of them as the row has a right to.
        """
        length, slots = self._slots(query)
        most = ops.minimum(self.factor * _log_length(count), count)
        valid = ops.arange(slots, dtype="int32") < most
        places = self._sampled_places(slots, length, visible, count)
        places = ops.broadcast_to(places, (ops.shape(query)[0], slots))
        sampled = ops.take_along_axis(key, places[:, None, :, None], axis=2)
        scores = query_key_products(query, sampled)
        scores = ops.cast(scores, at_least_float32(scores.dtype))
        key_mask = valid[:, None, None]
        highest = ops.max(ops.where(key_mask, scores, -1e30), axis=-1)
        total = ops.sum(ops.where(key_mask, scores, 0.0), axis=-1)
        number = ops.cast(ops.maximum(count, 1), scores.dtype)[..., None]
        measure = ops.stop_gradient(highest - total / number)
        if visible.padding_mask is not None:
            token = visible.padding_mask[:, None]
            measure = ops.where(token, measure, -2e30)
        _, chosen = ops.top_k(measure, slots)
        return ops.cast(chosen, "int32"), valid

    def _slots(self, query):
        """Gives the length and the most queries to choose from so many."""
        length = ops.shape(query)[2]
        slots = self.factor * _log_length(length)
        if known_integer(length) is not None:
            return length, min(slots, length)
        return length, ops.minimum(slots, length)

    def _sampled_places(self, slots, length, visible, count):
        """Gives the places of sampled tokens, integers `(batch or 1, u)`."""
        numbers = self.sample[:slots]
        numbers = numbers - ops.floor(numbers)
        ranks = numbers * ops.cast(count, "float32")
        ranks = ops.minimum(ops.cast(ranks, "int32"), count - 1)
        ranks = ops.maximum(ranks, 0)
        if visible.padding_mask is None:
            return ranks
        # Tokens that count come first.
        places = ops.arange(length, dtype="int32")
        behind = ops.where(visible.padding_mask, places, places + length)
        order = ops.sort(behind, axis=-1) % length
        return ops.take_along_axis(order, ranks, axis=1)

    def _lazy_output(self, value, visible, count):
        """Gives what queries get that do not attend: `(b, h, n or 1, d)`."""
        groups = self.num_heads // self.num_kv_heads
        wide = ops.cast(swap_heads(value), at_least_float32(value.dtype))
        if visible.causal:
            lazy = _sums_so_far(wide)
        else:
            number = ops.cast(ops.maximum(count, 1), wide.dtype)
            lazy = ops.sum(wide, axis=2, keepdims=True)
            lazy = lazy / number[..., None, None]
        return ops.repeat(ops.cast(lazy, value.dtype), groups, axis=1)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def _count(query, visible):
    """Counts the tokens that count: integers `(batch or 1, 1)`."""
    if visible.padding_mask is None:
        return ops.reshape(ops.cast(ops.shape(query)[1], "int32"), (1, 1))
    mask = ops.cast(visible.padding_mask, "int32")
    return ops.sum(mask, axis=1, keepdims=True)


def _sums_so_far(x):
    """Running sums of `(batch, heads, length, head_dim)` over the length."""
    length = known_integer(ops.shape(x)[2])
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype != "float64" or length is None:
        return ops.cumsum(x, axis=2)
    # `cumsum` on torch gives float32 for float64: twice as far each time.
    step = 1
    while step < length:
        x = x + ops.pad(x[:, :, :-step], [(0, 0), (0, 0), (step, 0), (0, 0)])
        step = 2 * step
    return x


def _log_length(length):
    """`ceil(log(1 + length))`, the same for an integer and a tensor."""
    if known_integer(length) is not None:
        return sum(length >= step for step in _STEPS)
    steps = ops.convert_to_tensor(_STEPS, dtype="int32")
    reached = ops.cast(length, "int32")[..., None] >= steps
    return ops.sum(ops.cast(reached, "int32"), axis=-1)


def _mask_of(chosen, visible):
    """What the chosen queries may see: `(b, h or 1, u or 1, n)`, or None."""
    padding = causal = None
    if visible.padding_mask is not None:
        padding = visible.padding_mask[:, None, None]
    if visible.causal:
        positions = ops.take(visible.query_positions, chosen, axis=0)
        causal = causal_mask(positions, visible.key_positions)
    return combine_masks(padding, causal)
