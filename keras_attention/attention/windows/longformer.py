"""Longformer attention: a window, and global tokens."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.checks import refuse_unless
from keras_attention.attention.core.inputs import first_mask
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.windows import band
from keras_attention.attention.windows.band_call import Call, Extra, Mixing
from keras_attention.attention.windows.global_tokens import (
    FirstTokens,
    MarkedTokens,
    check_global_mask,
)
from keras_attention.checks import check_integer
from keras_attention.masks import Visibility, combine_masks, hide_all
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_made_up

_GLOBAL = ("global_query", "global_key", "global_value")


@keras.saving.register_keras_serializable(package=PACKAGE)
class LongformerAttention(SoftmaxOptions, Attention):
    """Attention to a window around each query and to a few global tokens.

    An ordinary token at position i attends to the keys j with `|i - j| <=
    window_size` and to all global tokens, in one softmax. A global token
    attends to every key, with queries, keys and values of projections of its
    own (`global_query`, `global_key`, `global_value`). Padding counts
    nowhere, marked or not.

    The first `num_global_tokens` are global, for example one for a class;
    or, where the call gives a `global_mask`, those that it marks.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        window_size: integer, how far the window reaches to each side, half
            of the paper's `w`.
        dilation: integer, the distance between the keys of a window.
        num_global_tokens: integer, first tokens that are global, if any.
        max_global_tokens: integer, the most that a `global_mask` may mark in
            one row: a compiled call has a place for each. More are refused
            where their number is known; elsewhere those behind the first
            `max_global_tokens` stay ordinary.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`. A position with a score bias goes with
            `num_global_tokens` alone.
        scale, qk_norm, qk_norm_over, logit_softcap, gate, sink_logits,
            off_by_one: see `MultiHeadAttention`; global tokens have
            normalizations of their own and the same sinks.

    Call arguments:
        query: `(batch, length, dim)`; self-attention alone.
        global_mask: boolean `(batch, length)`, True for global tokens.
        padding_mask, training: see `Attention`.

    Returns: `(batch, length, dim)`.

    Raises:
        ValueError: for sizes that make no sense, for more global tokens than
            `max_global_tokens`, and for what this flavour cannot honour:
            cross-attention, a dense `attention_mask`, a cache, and causality,
            for which `SlidingWindowAttention(num_sinks=...)` keeps the first
            tokens in sight.

    Example:

    ```python
    import keras
    from keras_attention import LongformerAttention

    layer = LongformerAttention(
        num_heads=4, window_size=32, num_global_tokens=1
    )
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Beltagy et al. 2020, Longformer: The Long-Document Transformer,
        https://arxiv.org/abs/2004.05150
    """

    paper = "Beltagy et al. 2020"
    cost = "n(w+g) / n(w+g)"
    supports_cross_attention = supports_causal_mask = False
    rotates_by_any = False  # global tokens are rotated once more, by places
    supports_attention_mask = False
    supports_cache = False
    takes_global_mask = True
    projections = (*SoftmaxOptions.projections, *_GLOBAL)

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        window_size=256,
        dilation=1,
        num_global_tokens=1,
        max_global_tokens=64,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("window_size", window_size)
        check_integer("dilation", dilation)
        check_integer("num_global_tokens", num_global_tokens, smallest=0)
        check_integer("max_global_tokens", max_global_tokens)
        self.window_size, self.dilation = window_size, dilation
        self.num_global_tokens = num_global_tokens
        self.max_global_tokens = max_global_tokens

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        for name in _GLOBAL:
            is_query = name == "global_query"
            heads = self.num_heads if is_query else self.num_kv_heads
            setattr(self, f"{name}_dense", self._split_dense(name, heads))
            getattr(self, f"{name}_dense").build(query_shape)
        if self.qk_norm:
            self.global_query_norm = self.make_norm("global_query")
            self.global_key_norm = self.make_norm("global_key")

    def call(
        self,
        query,
        value=None,
        key=None,
        *,
        global_mask=None,
        attention_mask=None,
        padding_mask=None,
        use_causal_mask=False,
        cache=None,
        memory=None,
        start=0,
        training=None,
        mask=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
    ):
        if padding_mask is None and value is None:
            padding_mask = first_mask(key_mask, query_mask, mask)
        self._refuse_causality(use_causal_mask)
        return self.run(
            query,
            value,
            key,
            attention_mask=attention_mask,
            padding_mask=padding_mask,
            use_causal_mask=use_causal_mask,
            cache=cache,
            memory=memory,
            start=start,
            training=training,
            options={
                "global_mask": check_global_mask(self, global_mask, query)
            },
        )

    def attention_weights(
        self,
        query,
        value=None,
        key=None,
        *,
        global_mask=None,
        use_causal_mask=False,
        **arguments,
    ):
        """Computes the weights that a call with these arguments uses.

        Args: as of the call.

        Returns:
            `(batch, num_heads, length, length)`; rows of global tokens weigh
            values of their own projection.
        """
        self._refuse_causality(use_causal_mask)
        options = {"global_mask": check_global_mask(self, global_mask, query)}
        return super().attention_weights(
            query, value, key, options=options, **arguments
        )

    def side_inputs(self, query, key, value):
        return {"hidden": query}

    def attend(
        self,
        query,
        key,
        value,
        visible,
        position,
        hidden,
        global_mask=None,
        training=None,
    ):
        if is_made_up(query):
            return query
        tokens = self._tokens(global_mask, visible)
        # They differ by row where a mask says which.
        positions = tokens.positions if global_mask is None else None
        extra = Extra(
            tokens.take(key), tokens.take(value), tokens.mask, positions
        )
        ordinary = ops.logical_not(tokens.is_global)
        seen = combine_masks(visible.padding_mask, ordinary)
        everything = visible
        visible = visible._replace(padding_mask=seen)
        reach = self.window_size, self.dilation
        call = Call(query, key, value, visible, extra, *reach)
        output = band.attend(call, self._mixing(position, training))
        query, key, value, visible = self._global_heads(
            tokens, hidden, everything, position
        )
        dropout = self.draw_dropout(training)
        found = softmax.attend(
            query, key, value, visible, position, *dropout, self.scoring
        )
        return tokens.put(found, output)

    def compute_weights(
        self, query, key, visible, position, hidden, global_mask=None
    ):
        tokens = self._tokens(global_mask, visible)
        places = ops.arange(ops.shape(key)[1], dtype="int32")
        mask = band.band_mask(places, places, self.window_size, self.dilation)
        mask = ops.logical_or(mask, tokens.is_global[:, None])[:, None]
        scoring = self.scoring
        scores = softmax.scores(query, key, visible, position, scoring)
        mask = combine_masks(mask, visible.dense())
        weights = softmax.weigh(scores, mask, scoring)
        query, key, _, visible = self._global_heads(
            tokens, hidden, visible, position
        )
        scores = softmax.scores(query, key, visible, position, scoring)
        found = softmax.weigh(scores, visible.dense(), scoring)
        weights = tokens.put(swap_heads(found), swap_heads(weights))
        return ops.cast(swap_heads(weights), query.dtype)

    def _tokens(self, global_mask, visible):
        if global_mask is None:
            return FirstTokens.find(self.num_global_tokens, visible)
        return MarkedTokens.find(global_mask, self.max_global_tokens, visible)

    def _global_heads(self, tokens, hidden, visible, position):
        """Projects what global tokens attend with.

        Returns:
            `(query, key, value, visible)` with the queries of `tokens`.
        """
        places = visible.key_positions
        if position.supports_cache:
            query = self.global_query_dense(tokens.take(hidden))
            query = self.normalize("global_query_norm", query)
            query = position.rotate(query, tokens.positions, "query")
        else:  # the few alone are rotated otherwise than as a part of all
            query = self.global_query_dense(hidden)
            query = self.normalize("global_query_norm", query)
            query = tokens.take(position.rotate(query, places, "query"))
        key = self.global_key_dense(hidden)
        key = self.normalize("global_key_norm", key)
        key = position.rotate(key, places, "key")
        value = self.global_value_dense(hidden)
        key, value = hide_all(visible.padding_mask, key, value)
        seen = Visibility(tokens.positions, places, visible.padding_mask)
        return query, key, value, seen

    def _mixing(self, position, training):
        dropout = self.draw_dropout(training)
        return Mixing(position, *dropout, scoring=self.scoring)

    def _refuse_causality(self, use_causal_mask):
        refuse_unless(
            self,
            not use_causal_mask,
            "a causal mask",
            "use SlidingWindowAttention(num_sinks=...), where the first "
            "tokens stay visible",
        )

    def get_config(self):
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "dilation": self.dilation,
            "num_global_tokens": self.num_global_tokens,
            "max_global_tokens": self.max_global_tokens,
        }
