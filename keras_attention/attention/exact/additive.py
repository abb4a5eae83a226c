"""Additive attention."""

import keras
from keras import ops

from keras_attention import registry
from keras_attention.attention.core import softmax
from keras_attention.attention.exact.unprojected import ContextAttention
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdditiveAttention(ContextAttention):
    """Scores by a small network: softmax(v' tanh(Wq + Uk)) V.

    W and U are the projections of query and key, `head_dim` their width, and
    each head has a vector v of its own. One head without the other
    projections is the paper's alignment model and context vector:

    ```python
    AdditiveAttention(1, head_dim=1000, use_projections=False)
    ```

    The tanh of every query with every key is `head_dim` times as large as the
    scores, so blocks of queries are smaller than in `MultiHeadAttention`.

    The paper has no scale: that of the position is not used. A rotation is
    refused, since a sum of two rotated vectors does not tell how far apart
    they are.

    Args:
        num_heads: integer, number of query heads; 1 in the paper.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        use_projections: whether values and output are projected, as in
            multi-head attention and not in the paper. Without it the output
            has the width of the value.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding that acts on scores, or None.
        query_block_size: `"auto"`, an integer or None; see
            `MultiHeadAttention`.
        kernel_initializer: initializer of the projections and of v.
        seed: integer for dropout; drawn by default.

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
        ValueError: if the widths and head counts do not fit, or for call
            arguments that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import AdditiveAttention

    layer = AdditiveAttention(num_heads=1)
    query = keras.random.normal((2, 7, 32))  # states of a decoder
    source = keras.random.normal((2, 50, 32))  # states of an encoder
    layer(query, source).shape  # (2, 7, 32)
    ```

    Reference:
        Bahdanau, Cho, Bengio 2014, Neural Machine Translation by Jointly
        Learning to Align and Translate, https://arxiv.org/abs/1409.0473
    """

    supports_scale = False
    paper = "Bahdanau, Cho, Bengio 2014"
    cost = "n²d / n²d"
    cache_size = "n · num_kv_heads · 2d"
    supports_rotation = False

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.score_vector = add_score_vector(self)

    def scores(self, query, key, visible, position):
        products = additive_scores(query, key, self.score_vector)
        return softmax.add_bias(products, query, key, visible, position)

    def numbers_per_score(self, query):
        return query.shape[2] * query.shape[3]


def add_score_vector(layer, name="score_vector"):
    """Adds the weight v `(num_heads, head_dim)` to a layer."""
    return layer.add_weight(
        shape=(layer.num_heads, layer.head_dim),
        initializer=registry.copy_initializer(layer.kernel_initializer),
        name=name,
    )


def additive_scores(query, key, vector):
    """Computes v' tanh(q + k) for every query and key.

    Args:
        query: `(batch, query_length, heads, head_dim)`, projected by W.
        key: `(batch, key_length, kv_heads, head_dim)`, projected by U.
        vector: `(heads, head_dim)`, the weight v.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key = ops.repeat(key, groups, axis=2)
    # Heads come first, since the product with v would otherwise have to move
    # the one large tensor there.
    query = ops.transpose(query, (2, 0, 1, 3))
    key = ops.transpose(key, (2, 0, 1, 3))
    features = ops.tanh(query[:, :, :, None] + key[:, :, None])
    vector = ops.cast(vector, features.dtype)
    return ops.swapaxes(ops.einsum("hbtsd,hd->hbts", features, vector), 0, 1)
