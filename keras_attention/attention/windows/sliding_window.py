"""Sliding-window attention."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.windows import band
from keras_attention.attention.windows.band_call import Call, Extra, Mixing
from keras_attention.attention.windows.ring_cache import Ring
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_made_up, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class SlidingWindowAttention(SoftmaxOptions, Attention):
    """Softmax attention to a band of keys around each query.

    A query at position i sees the keys j with `|i - j| <= window_size`, ends
    included; with a causal mask, those with `i - window_size <= j <= i`. (A
    window of W tokens in Mistral's counting, the query's own among them, is
    `window_size=W - 1`.) With `dilation`, distances are multiples of it and
    `window_size` counts steps: `|i - j| <= window_size * dilation`.

    The first `num_sinks` positions are seen by every query as well, however
    far it is, in the same softmax; with a causal mask by themselves and later
    queries, without one by all. Streaming language models lose their footing
    when these leave the window. Positions are those of the sequence, not
    renumbered within the cache as by Xiao et al., so that decoding gives what
    the full pass gives.

    Queries are processed in blocks, each with the keys around it, so that
    no tensor grows with the square of the length, and large groups of blocks
    are computed again in the backward pass. The cache holds the last
    `(window_size + 1) * dilation` keys and the sinks, and goes on for
    sequences of any length.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        window_size: integer, how far the band reaches to each side.
        dilation: integer, the distance between the keys of a band.
        num_sinks: integer, first positions that every query sees.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`.
        scale, qk_norm, qk_norm_over, logit_softcap, gate, sink_logits,
            off_by_one: see `MultiHeadAttention`. (`sink_logits` stand for no
            position, `num_sinks` are positions; both may be used.)

    Call arguments:
        query: `(batch, length, dim)`; self-attention alone.
        padding_mask: boolean `(batch, length)`.
        use_causal_mask, cache, start, training: see `Attention`.

    Returns:
        `(batch, length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: for a window, dilation or number of sinks that makes no
            sense, and for what does not go with a band: cross-attention and
            a dense `attention_mask`.

    Example:

    ```python
    import keras
    from keras_attention import SlidingWindowAttention

    layer = SlidingWindowAttention(
        num_heads=4, window_size=32, position="rotary"
    )
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 1000, 32)
    cache = layer.init_cache(batch_size=2, max_length=1000)
    cache["key"].shape  # (2, 4, 33, 8)
    ```

    Reference:
        Beltagy et al. 2020, Longformer (window and dilation),
        https://arxiv.org/abs/2004.05150;
        Jiang et al. 2023, Mistral 7B (causal window, ring cache),
        https://arxiv.org/abs/2310.06825;
        Xiao et al. 2023, Efficient Streaming Language Models with Attention
        Sinks, https://arxiv.org/abs/2309.17453
    """

    paper = "Beltagy et al. 2020"
    cost = "nw / nw"
    cache_size = "(w + sinks) · num_kv_heads · 2d"
    supports_cross_attention = False
    supports_attention_mask = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        window_size=256,
        dilation=1,
        num_sinks=0,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("window_size", window_size)
        check_integer("dilation", dilation)
        check_integer("num_sinks", num_sinks, smallest=0)
        self.window_size = window_size
        self.dilation = dilation
        self.num_sinks = num_sinks

    @property
    def counts_from_start(self):
        """Whether it matters where a sequence begins: there are the sinks."""
        return self.num_sinks > 0

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(query):
            return query
        sinks = None
        if self.num_sinks:
            sinks, visible = self._cut_sinks(key, value, visible)
        reach = self.window_size, self.dilation
        call = Call(query, key, value, visible, sinks, *reach)
        return band.attend(call, self._mixing(position, training))

    def compute_weights(self, query, key, visible, position):
        places = ops.arange(ops.shape(key)[1], dtype="int32")
        mask = band.band_mask(places, places, self.window_size, self.dilation)
        mask = ops.logical_or(mask, places < self.num_sinks)
        # A position may count the keys that the band shows.
        visible = visible._replace(attention_mask=mask[None])
        scoring = self.scoring
        scores = softmax.scores(query, key, visible, position, scoring)
        weights = softmax.weigh(scores, visible.dense(), scoring)
        return ops.cast(weights, query.dtype)

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache, a ring.

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, num_sinks + slots,
            head_dim)` and `{"key_mask"}` of `(batch, num_sinks + slots)`. The
            slots are `(window_size + 1) * dilation`, or as many as
            `max_length` positions need; a ring of all of them holds sequences
            of any length.
        """
        self._check_cache(max_length)
        return self._ring().empty(
            batch_size,
            self.num_kv_heads,
            max_length,
            self.head_dim,
            self.compute_dtype,
        )

    def attend_with_cache(
        self,
        query,
        key,
        value,
        visible,
        position,
        cache,
        start,
        training=None,
    ):
        mask = visible.padding_mask
        if mask is None:
            mask = ops.ones(ops.shape(key)[:2], "bool")
        ring, own = self._ring(), (key, value, mask, start)
        ring.check(cache, start, key.shape[1])
        if known_integer(key.shape[1]) == 1:
            new, cached = ring.step(cache, *own)
            before, attend = 0, band.attend_at_once
        else:
            new, cached = ring.extend(cache, *own), ring.before(cache, start)
            positions = visible.key_positions
            mask = ops.logical_and(mask, positions >= self.num_sinks)
            cached = cached.append(key, value, mask, positions)
            before, attend = ring.reach, band.attend
        visible = visible._replace(
            key_positions=cached.positions, padding_mask=cached.key_mask
        )
        sinks = None
        if self.num_sinks:
            found = ring.sinks(new)
            sinks = Extra(
                found.key, found.value, found.key_mask, found.positions
            )
        reach = self.window_size, self.dilation, before
        call = Call(query, cached.key, cached.value, visible, sinks, *reach)
        return attend(call, self._mixing(position, training)), new

    def _cut_sinks(self, key, value, visible):
        """Gives the first keys as extra ones, hidden from the band."""
        rows, mask = slice(self.num_sinks), visible.padding_mask
        if mask is None:
            mask = ops.ones((1, ops.shape(key)[1]), "bool")
        sinks = Extra(
            key[:, rows],
            value[:, rows],
            mask[:, rows],
            visible.key_positions[rows],
        )
        places = ops.arange(ops.shape(key)[1], dtype="int32")
        mask = ops.logical_and(mask, places >= self.num_sinks)
        return sinks, visible._replace(padding_mask=mask)

    def _ring(self):
        return Ring(self.window_size, self.dilation, self.num_sinks)

    def _mixing(self, position, training):
        dropout = self.draw_dropout(training)
        return Mixing(position, *dropout, scoring=self.scoring)

    def get_config(self):
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "dilation": self.dilation,
            "num_sinks": self.num_sinks,
        }
