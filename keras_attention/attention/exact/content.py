"""Content-based addressing of the Neural Turing Machine."""

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.core.normalization import unit_vectors
from keras_attention.attention.core.softmax import (
    query_key_products,
    swap_heads,
)
from keras_attention.attention.exact.unprojected import ContextAttention
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32

# A shorter vector counts as zero: it has no direction to speak of.
_SHORTEST = 1e-6


@keras.saving.register_keras_serializable(package=PACKAGE)
class ContentAttention(ContextAttention):
    """Weighs keys by their direction: softmax(beta cos(q, k)) V.

    Each head learns how sharply it looks: the strength of a query is `beta =
    softplus(w x + b)`, where x is the input that the query is projected from.
    A vector of zeros has the cosine 0 with every other.

    The paper's memory is read as it is: `use_projections=False`, with one
    head for each read head. Of its addressing this is the part by content;
    interpolation, shift and sharpening, which need the weights of the step
    before, are not here.

    Neither the factor `1 / sqrt(head_dim)` nor another scale of the position
    is used: beta is in its place. Keys are cached with their length already
    divided out.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        use_projections: whether keys, values and output are projected, as in
            multi-head attention and not in the paper. Without it each head
            has its part of the key and of the value, and the output the width
            of the value.
        use_bias: whether projections, that to beta among them, have biases.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding that acts in attention, or None.
        query_block_size: `"auto"`, an integer or None; see
            `MultiHeadAttention`.
        kernel_initializer: initializer of the projections.
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
    from keras_attention import ContentAttention

    layer = ContentAttention(num_heads=2)  # two reading heads
    query = keras.random.normal((2, 7, 32))
    memory = keras.random.normal((2, 50, 32))
    layer(query, memory).shape  # (2, 7, 32)
    ```

    Reference:
        Graves, Wayne, Danihelka 2014, Neural Turing Machines, section 3.3.1,
        https://arxiv.org/abs/1410.5401
    """

    supports_scale = False
    paper = "Graves, Wayne, Danihelka 2014"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"
    projections = (*ContextAttention.projections, "strength")

    def left_out(self):
        return () if self.use_projections else ("key", *super().left_out())

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.strength_dense = self._dense(
            "strength", "btm,mh->bth", (None, self.num_heads), "h"
        )
        self.strength_dense.build(query_shape)

    def project_query(self, query):
        heads = super().project_query(query)
        strength = self.strength_dense(query)
        strength = ops.cast(strength, at_least_float32(heads.dtype))
        # Softplus in float32, since in half precision it may become zero.
        strength = ops.softplus(strength)[..., None]
        return ops.cast(strength * _directions(heads), heads.dtype)

    def project_source(self, key, value):
        key, value = super().project_source(key, value)
        return ops.cast(_directions(key), key.dtype), value

    def scores(self, query, key, visible, position):
        products = query_key_products(swap_heads(query), swap_heads(key))
        return softmax.add_bias(products, query, key, visible, position)


def _directions(x):
    wide = ops.cast(x, at_least_float32(x.dtype))
    return unit_vectors(wide, shortest=_SHORTEST)
