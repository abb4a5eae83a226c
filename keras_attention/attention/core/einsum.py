"""Products of heads, `(batch, heads, length, head_dim)`."""

import keras
from keras import ops


def swap_heads(x):
    """Swaps the axes of length and heads, the second and the third."""
    return ops.swapaxes(x, 1, 2)


def query_key_products(query, key):
    """Multiplies every query with every key of its group of heads.

    Args:
        query: `(batch, heads, query_length, head_dim)`.
        key: `(batch, kv_heads, key_length, head_dim)`.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    # `matmul` on torch gives float32 for float64.
    products = ops.einsum("bhtd,bhsd->bhts", _grouped(query, key.shape[1]), key)
    return ops.reshape(products, (*ops.shape(query)[:3], ops.shape(key)[2]))


def weighted_values(weights, value):
    """Sums the values of each group of heads by their weights.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        value: `(batch, kv_heads, key_length, head_dim)`.

    Returns:
        `(batch, heads, query_length, head_dim)`.
    """
    output = ops.einsum(
        "bhts,bhsd->bhtd", _grouped(weights, value.shape[1]), value
    )
    return ops.reshape(output, (*ops.shape(weights)[:3], value.shape[3]))


def sums_by_key(weights, query, kv_heads):
    """Sums what each group's queries have by their weights, for every key.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        query: `(batch, heads, query_length, head_dim)`.
        kv_heads: integer, number of groups.

    Returns:
        `(batch, kv_heads, key_length, head_dim)`.
    """
    return ops.einsum(
        "bhts,bhtd->bhsd",
        _grouped(weights, kv_heads),
        _grouped(query, kv_heads),
    )


def _grouped(rows, kv_heads):
    """Brings the rows of all heads that share a key head together."""
    batch, heads, length, width = ops.shape(rows)
    return ops.reshape(
        rows, (batch, kv_heads, heads // kv_heads * length, width)
    )


def product(x, y, transpose_x=False, transpose_y=False):
    """Multiplies matrices, the last two axes; the others broadcast.

    Args:
        x: `(..., rows, inner)`, with `transpose_x` `(..., inner, rows)`.
        y: `(..., inner, columns)`, with `transpose_y` `(..., columns, inner)`.
        transpose_x, transpose_y: whether to swap the last two axes.

    Returns:
        `(..., rows, columns)` in the dtype of both.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The gradient of its `einsum` transposes the large tensors.
        return tf.matmul(x, y, transpose_a=transpose_x, transpose_b=transpose_y)
    rows = "st" if transpose_x else "ts"
    columns = "us" if transpose_y else "su"
    return ops.einsum(f"...{rows},...{columns}->...tu", x, y)
