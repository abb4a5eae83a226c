"""Linformer: attention to a fixed number of mixtures of the keys."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.softmax import swap_heads, weighted_values
from keras_attention.checks import check_integer
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE, copy_initializer
from keras_attention.tensors import is_made_up, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class LinformerAttention(Attention):
    """Attention to learned mixtures of the keys: softmax(Q (E K)') F V.

    `E` and `F`, `(rank, max_length)`, mix all keys and all values of a
    sequence into `rank` of them, so time and memory grow linearly with the
    length. A shorter sequence uses the first columns. Since every mixture
    holds the whole sequence, it is not causal.

    `attention_weights` gives what each value is multiplied with in the end,
    `softmax(Q (E K)') F`. These weights may be negative and do not sum to
    one.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads; `num_heads` by
            default.
        max_length: integer, the most keys there can be.
        rank: integer, how many mixtures there are (`k` in the paper).
        share_key_value: whether keys and values are mixed alike, `E = F`.
        per_head: whether each key head has an `E` and `F` of its own; by
            default they are shared across heads.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`. `kernel_initializer` serves `E` and `F` as well.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        padding_mask: boolean `(batch, key_length)`.
        memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`.

    Raises:
        ValueError: for more than `max_length` keys, a causal mask, a dense
            mask or a cache.

    Example:

    ```python
    import keras
    from keras_attention import LinformerAttention

    layer = LinformerAttention(num_heads=4, max_length=1024, rank=32)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Wang et al. 2020, Linformer: Self-Attention with Linear Complexity,
        https://arxiv.org/abs/2006.04768
    """

    paper = "Wang et al. 2020"
    cost = "nrd / nr"
    supports_causal_mask = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        max_length=512,
        rank=128,
        share_key_value=False,
        per_head=False,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("max_length", max_length)
        check_integer("rank", rank)
        self.max_length = max_length
        self.rank = rank
        self.share_key_value = share_key_value
        self.per_head = per_head

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.key_mixing = self._add_mixing("key_mixing")
        self.value_mixing = self.key_mixing
        if not self.share_key_value:
            self.value_mixing = self._add_mixing("value_mixing")

    def _add_mixing(self, name):
        heads = (self.num_kv_heads,) if self.per_head else ()

        def initialize(shape, dtype=None):
            # Head by head: initializers take a third axis for a larger fan.
            parts = [
                copy_initializer(self.kernel_initializer)(shape[-2:], dtype)
                for _ in range(self.num_kv_heads if self.per_head else 1)
            ]
            return ops.reshape(ops.stack(parts), shape)

        return self.add_weight(
            name=name,
            shape=(*heads, self.max_length, self.rank),
            initializer=initialize,
        )

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(key):
            return query  # It may be longer than `max_length`.
        if visible.padding_mask is not None:
            # The base hides no padding of a memory that only this call names.
            key = hide(key, visible.padding_mask)
            value = hide(value, visible.padding_mask)
        weights = self._latent_weights(query, key, visible, position)
        if self.dropout and training:
            weights = keras.random.dropout(
                weights, self.dropout, seed=self.seed_generator
            )
        mixed = swap_heads(self._mix(self.value_mixing, value))
        return swap_heads(weighted_values(weights, mixed))

    def compute_weights(self, query, key, visible, position):
        padding_mask = visible.padding_mask
        if padding_mask is not None:
            key = hide(key, padding_mask)
        weights = self._latent_weights(query, key, visible, position)
        back = ops.swapaxes(self._rows(self.value_mixing, key), -1, -2)
        if self.per_head:
            # `(1, heads, rank, key_length)`, as values that are mixed.
            back = back[None]
        else:
            back = back[None, None]
        back = ops.repeat(back, ops.shape(query)[0], axis=0)
        weights = weighted_values(weights, back)
        if padding_mask is None:
            return weights
        return ops.where(padding_mask[:, None, None], weights, 0.0)

    def _latent_weights(self, query, key, visible, position):
        """Weighs the mixtures: `(batch, heads, query_length, rank)`."""
        latent = self._mix(self.key_mixing, key)
        scores = softmax.scores(query, latent, visible, position)
        return ops.cast(softmax.softmax(scores), query.dtype)

    def _mix(self, mixing, heads):
        """Mixes `(batch, length, heads, d)` to `(batch, rank, heads, d)`."""
        equation = "bshd,hsr->brhd" if self.per_head else "bshd,sr->brhd"
        return ops.einsum(equation, heads, self._rows(mixing, heads))

    def _rows(self, mixing, heads):
        """The part of `E` or `F` for the places that there are."""
        length = ops.shape(heads)[1]
        known = known_integer(length)
        if known is not None and known > self.max_length:
            raise ValueError(
                f"{type(self).__name__} was made for max_length="
                f"{self.max_length} keys. Received: length {known}. "
                "Construct it with a larger max_length, or use "
                "NystromAttention, which takes any length."
            )
        return mixing[..., :length, :]

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "rank": self.rank,
            "share_key_value": self.share_key_value,
            "per_head": self.per_head,
        }
