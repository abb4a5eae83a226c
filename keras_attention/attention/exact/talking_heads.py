"""Talking-heads attention."""

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class TalkingHeadsAttention(ScoredAttention):
    """Lets heads exchange scores and weights: softmax(S A) B V.

    For each query and key, A mixes the scores QK' / sqrt(d) of all heads
    before the softmax and B their weights after it, both learned matrices
    over heads. The bias of a position and the masks are added between A and
    the softmax. The weights of a head then need not sum to one.

    The paper may give keys, softmax and values different numbers of heads;
    here they are the same. A and B start as the identity, so that a new layer
    is plain attention.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        query_block_size: `"auto"`, an integer or None; see `ScoredAttention`.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`; dropout acts after B.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        attention_mask: boolean `(batch, query_length, key_length)`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, cache, memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: for call arguments that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import TalkingHeadsAttention

    layer = TalkingHeadsAttention(num_heads=4)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Shazeer et al. 2020, Talking-Heads Attention,
        https://arxiv.org/abs/2003.02436
    """

    paper = "Shazeer et al. 2020"
    cost = "n²(hd + h²) / n²h"
    cache_size = "n · num_kv_heads · 2d"

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.score_mixing = self._mixing("score_mixing")
        self.weight_mixing = self._mixing("weight_mixing")

    def _mixing(self, name):
        return self.add_weight(
            shape=(self.num_heads, self.num_heads),
            initializer="identity",
            name=name,
            autocast=False,
        )

    def scores(self, query, key, visible, position):
        products = softmax.scaled_products(query, key, position)
        mixed = _mix(products, self.score_mixing)
        return softmax.add_bias(mixed, query, key, visible, position)

    def weigh(self, scores, mask, visible):
        return _mix(super().weigh(scores, mask, visible), self.weight_mixing)


def _mix(scores, mixing):
    """Mixes heads.

    Args:
        scores: `(batch, heads, query_length, key_length)`.
        mixing: `(heads, heads)`, from which to which.

    Returns:
        A tensor of the same shape.
    """
    mixing = ops.cast(ops.transpose(mixing), scores.dtype)
    batch, heads = ops.shape(scores)[0], scores.shape[1]
    # With the batch in both, heads are the rows of a product of matrices and
    # the scores, which are so much larger, are never transposed.
    mixing = ops.broadcast_to(mixing, (batch, heads, heads))
    return ops.einsum("bgh,bhts->bgts", mixing, scores)
