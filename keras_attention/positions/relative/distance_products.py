"""Products of heads with vectors that stand for distances.

No tensor holds a vector for each pair of a query and a key: the products are
those with the vectors, of which there are few, and are then laid out.
"""

import math

import keras
from keras import ops

from keras_attention.positions.core.distances import pair_distances
from keras_attention.tensors import at_least_float32, known_integer

_LARGEST_INDEX = 2**31 - 1


def widened(x):
    """Casts to float32, but leaves float64."""
    x = ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.cast(x, at_least_float32(dtype))


def pairs(query_positions, key_positions):
    """Lists the distance from every query back to every key.

    Args:
        query_positions: integers `(..., query_length)`.
        key_positions: integers `(..., key_length)`.

    Returns:
        Integers `(rows, 1, query_length, key_length)`, where the second axis
        stands for the heads; one row for positions without a leading axis.
    """
    found = pair_distances(query_positions, key_positions)
    return found[None, None] if len(found.shape) == 2 else found[:, None]


def products(heads, vectors):
    """Multiplies heads with vectors.

    Args:
        heads: `(batch, length, heads, head_dim)`.
        vectors: `(number, head_dim)`, or `(number, heads, head_dim)`.

    Returns:
        `(batch, heads, length, number)` in the dtype of both.
    """
    heads = ops.swapaxes(heads, 1, 2)
    if len(vectors.shape) == 2:
        vectors = vectors[:, None]
    vectors = ops.transpose(vectors, (1, 2, 0))
    # Repeated, since TensorFlow's `einsum` would otherwise move the batch
    # behind the heads, and in what it gives, which is large, back.
    shape = (*ops.shape(heads)[:2], *ops.shape(vectors)[1:])
    vectors = ops.broadcast_to(vectors, shape)
    return ops.einsum("bhtd,bhdr->bhtr", heads, vectors)


def laid_out(products, rows):
    """Picks for every pair the product with the vector that it has.

    Args:
        products: `(batch, heads, query_length, number)`.
        rows: integers `(batch or 1, 1, query_length, key_length)`, the
            numbers of the vectors.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    shape = ops.shape(products)
    size = known_integer(math.prod(shape)) or 0
    if keras.backend.backend() == "torch" or size > _LARGEST_INDEX:
        return ops.take_along_axis(products, rows, axis=-1)
    # In less time than with `take_along_axis`, which makes copies of the
    # indices and whose gradient writes element by element.
    first = shape[3] * ops.arange(shape[0] * shape[1] * shape[2], dtype="int32")
    places = ops.reshape(first, (*shape[:3], 1)) + rows
    return ops.take(ops.reshape(products, (-1,)), places, axis=0)


def for_each_head(key, num_heads):
    """Repeats key heads for the query heads that they serve.

    Args:
        key: `(batch, length, kv_heads, head_dim)`.
        num_heads: integer.

    Returns:
        `(batch, length, num_heads, head_dim)`.
    """
    group = num_heads // key.shape[2]
    return key if group == 1 else ops.repeat(key, group, axis=2)
