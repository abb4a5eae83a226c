"""Steps of latent attention that never expand what the cache holds."""

from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.tensors import at_least_float32, known_integer


def is_cheaper(layer, query):
    """Whether the queries of a call are few enough.

    A query's product with a compressed key takes more than that with its own
    head's key, so that for many of them it pays to expand the keys.

    Args:
        layer: a built `LatentAttention`.
        query: `(batch, length, num_heads, head_dim + rope_dim)`.

    Returns:
        False also where the length is not known, and where the weights are
        quantized: the layers that hold them then are more than a product.
    """
    denses = (layer.key_dense, layer.value_dense)
    length = known_integer(query.shape[1])
    if length is None or any(d.quantization_mode for d in denses):
        return False
    widths = layer.head_dim + layer.value_dim
    more = 2 * layer.kv_rank - widths
    return length * more <= layer.kv_rank * widths


def attend_to_compressed(
    query,
    compressed,
    rotated,
    visible,
    position,
    key_kernel,
    value_kernel,
    scoring=softmax.PLAIN,
):
    """Attends with q'(Wc) as (W'q)'c, and with values mixed before expansion.

    Args:
        query: `(batch, query_length, heads, head_dim + rope_dim)`.
        compressed: `(batch, key_length, kv_rank)`.
        rotated: `(batch, key_length, rope_dim)`, the rotated key.
        visible: the `Visibility` of these queries.
        position: an encoding that acts neither on scores nor on values.
        key_kernel: `(kv_rank, heads, head_dim)`.
        value_kernel: `(kv_rank, heads, value_dim)`.
        scoring: a `Scoring`.

    Returns:
        `(batch, query_length, heads, value_dim)`.
    """
    dtype, head_dim = query.dtype, key_kernel.shape[-1]
    query = scoring.scale_query(query, position)
    absorbed = ops.einsum(
        "bthd,rhd->bhtr", query[..., :head_dim], ops.cast(key_kernel, dtype)
    )
    products = (
        ops.einsum("bhtr,bsr->bhts", absorbed, compressed),
        ops.einsum("bthr,bsr->bhts", query[..., head_dim:], rotated),
    )
    wide = at_least_float32(dtype)
    scores = scoring.bound(sum(ops.cast(x, wide) for x in products))
    weights = softmax.weigh(scores, visible.dense(), scoring)
    weights = ops.cast(weights, dtype)
    mixed = ops.einsum("bhts,bsr->bhtr", weights, compressed)
    return ops.einsum("bhtr,rhd->bthd", mixed, ops.cast(value_kernel, dtype))
