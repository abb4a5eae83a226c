"""Multiplicative attention, global and local."""

import keras
from keras import ops

from keras_attention import registry
from keras_attention.attention.core import softmax
from keras_attention.attention.core.checks import check_position
from keras_attention.attention.core.softmax import (
    query_key_products,
    swap_heads,
)
from keras_attention.attention.exact.additive import (
    add_score_vector,
    additive_scores,
)
from keras_attention.attention.exact.unprojected import ContextAttention
from keras_attention.checks import check_integer, did_you_mean
from keras_attention.masks import combine_masks
from keras_attention.registry import PACKAGE

SCORES = ("dot", "general", "concat")
LOCALS = (None, "monotonic", "predictive")


@keras.saving.register_keras_serializable(package=PACKAGE)
class LuongAttention(ContextAttention):
    """Softmax of q'k, q'Wk or v' tanh(W[q; k]), over all keys or a window.

    The score `"dot"` has no weights, in `"general"` W is the projection of
    the key, and in `"concat"` its half for the key is. The query is not
    projected: each head has its part of it. With one head and
    `use_projections=False` this is the paper's attention, and the output its
    context vector.

    Local attention looks at the keys `s` from `p - window_size` to
    `p + window_size`, where the softmax is taken. `"monotonic"` (local-m)
    puts `p` at the query's own position. `"predictive"` (local-p) learns
    where to look: `p = S sigmoid(v_p' tanh(W_p q))`, and each weight is
    multiplied by `exp(-(s - p)^2 / (2 sigma^2))`, `sigma = window_size / 2`,
    after the softmax, so weights sum to less than one. `s` counts from 0 the
    keys that the query may attend to, and `S` is their number: padding does
    not count, nor, with a causal mask, the future. W_p and v_p are each
    head's own.

    Scores are not divided by the square root of `head_dim`, so the scale of
    the position is not used. All keys are compared, and those outside the
    window masked: memory is that of query blocks, as in `MultiHeadAttention`.
    For a window whose cost does not grow with the length use
    `SlidingWindowAttention`.

    Args:
        num_heads: integer, number of query heads; 1 in the paper.
        head_dim: integer, width of a head; `dim // num_heads`, which it has
            to be.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default, and with `"dot"` always.
        score: `"dot"`, `"general"` or `"concat"`.
        local: None for all keys, `"monotonic"` or `"predictive"`.
        window_size: integer, how far the window reaches to each side; 10 by
            default, as in the paper. For local attention alone.
        use_projections: whether values and output are projected, as in
            multi-head attention and not in the paper. Without it the output
            has the width of the value.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding that acts in attention, or None; one
            that rotates not with `"concat"`.
        query_block_size: `"auto"`, an integer or None; see
            `MultiHeadAttention`.
        kernel_initializer: initializer of the projections and weights.
        seed: integer for dropout; drawn by default.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`. With `"dot"` as
            wide as the query.
        attention_mask: boolean `(batch, query_length, key_length)`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, cache, memory, start, training: see `Attention`. In
            monotonic cross-attention `start` says where the window is.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: if the widths and head counts do not fit, for an unknown
            score, or for call arguments that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import LuongAttention

    layer = LuongAttention(num_heads=1, local="predictive", window_size=5)
    query = keras.random.normal((2, 7, 32))  # states of a decoder
    source = keras.random.normal((2, 50, 32))  # states of an encoder
    layer(query, source).shape  # (2, 7, 32)
    ```

    Reference:
        Luong, Pham, Manning 2015, Effective Approaches to Attention-based
        Neural Machine Translation, https://arxiv.org/abs/1508.04025
    """

    supports_scale = False
    paper = "Luong, Pham, Manning 2015"
    cost = "n²d / n² (concat: n²d)"
    cache_size = "n · num_kv_heads · 2d"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        score="general",
        local=None,
        window_size=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        for name, choice, known in (
            ("score", score, SCORES),
            ("local", local, LOCALS),
        ):
            if choice not in known:
                raise ValueError(
                    f"{name} must be one of {known}. Received: {choice!r}."
                    f"{did_you_mean(choice, filter(None, known))}"
                )
        if local is None and window_size is not None:
            raise ValueError(
                'window_size is for local="monotonic" or "predictive". '
                f"Received: window_size={window_size}, local=None"
            )
        if local is not None:
            window_size = 10 if window_size is None else window_size
            check_integer("window_size", window_size)
        if score == "dot" and self.num_kv_heads != num_heads:
            raise ValueError(
                'With score="dot" every head has its own part of the keys; '
                'use score="general" for fewer. Received: '
                f"num_heads={num_heads}, num_kv_heads={num_kv_heads}"
            )
        if score == "concat" or local == "predictive":
            # No product to rotate; or places that are told from the query.
            self.supports_rotation = False
            check_position(self, self.position)
        self.score = score
        self.local = local
        self.window_size = window_size

    def left_out(self):
        keys = ("key",) if self.score == "dot" else ()
        return ("query", *keys, *super().left_out())

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        if self.score == "concat":
            self.score_kernel = self._add_kernel("score_kernel")
            self.score_vector = add_score_vector(self)
        if self.local == "predictive":
            self.place_kernel = self._add_kernel("place_kernel")
            self.place_vector = add_score_vector(self, "place_vector")

    def _add_kernel(self, name):
        """A matrix that maps the query of each head."""
        return self.add_weight(
            shape=(self.num_heads, self.head_dim, self.head_dim),
            initializer=registry.copy_initializer(self.kernel_initializer),
            name=name,
        )

    def scores(self, query, key, visible, position):
        if self.score == "concat":
            mapped = map_heads(query, self.score_kernel)
            products = additive_scores(mapped, key, self.score_vector)
        else:
            products = query_key_products(swap_heads(query), swap_heads(key))
        return softmax.add_bias(products, query, key, visible, position)

    def weigh_pairs(self, query, key, visible, position):
        scores = self.scores(query, key, visible, position)
        mask, offset = visible.dense(), None
        if self.local == "monotonic":
            offset = ops.subtract(
                visible.key_positions, visible.query_positions[:, None]
            )[None, None]
        elif self.local == "predictive":
            numbers, count = number_keys(visible, scores.dtype)
            offset = numbers - count * self._predict(query, scores.dtype)
        if offset is not None:
            within = ops.abs(offset) <= self.window_size
            mask = combine_masks(mask, within)
        weights = self.weigh(scores, mask, visible)
        if self.local == "predictive":
            deviation = self.window_size / 2
            weights = weights * ops.exp(-0.5 * ops.square(offset / deviation))
        return weights, mask

    def _predict(self, query, dtype):
        """Where to look, from 0 to 1: `(batch, heads, query_length, 1)`."""
        # In half precision the place would be off by several keys.
        hidden = ops.tanh(map_heads(ops.cast(query, dtype), self.place_kernel))
        vector = ops.cast(self.place_vector, dtype)
        place = ops.sigmoid(ops.sum(hidden * vector, axis=-1, keepdims=True))
        return swap_heads(place)

    def numbers_per_score(self, query):
        heads = query.shape[2]
        return heads * query.shape[3] if self.score == "concat" else heads

    def get_config(self):
        return {
            **super().get_config(),
            "score": self.score,
            "local": self.local,
            "window_size": self.window_size,
        }


def map_heads(query, kernel):
    """Multiplies each head `(batch, length, heads, d)` by its matrix."""
    kernel = ops.cast(kernel, query.dtype)
    return ops.einsum("bthd,hde->bthe", query, kernel)


def number_keys(visible, dtype):
    """Numbers the keys that a query may attend to, from 0, and counts them.

    Args:
        visible: the `Visibility` of the queries.
        dtype: of the result.

    Returns:
        `(numbers, count)` of `(batch or 1, 1, query_length or 1, key_length)`
        and `(batch or 1, 1, query_length or 1, 1)`.
    """
    mask, padding = visible.dense(), visible.padding_mask
    if visible.attention_mask is not None:
        numbered = mask
    elif padding is not None:
        # What the future holds does not change the numbers before it.
        numbered = padding[:, None, None]
    else:
        numbered = ops.ones_like(visible.key_positions, dtype="bool")
        numbered = numbered[None, None, None]
    numbers = ops.cumsum(ops.cast(numbered, "int32"), axis=-1) - 1
    count = ops.cast(numbered if mask is None else mask, "int32")
    count = ops.sum(count, axis=-1, keepdims=True)
    return ops.cast(numbers, dtype), ops.cast(count, dtype)
