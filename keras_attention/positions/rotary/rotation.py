"""The rotation of pairs of features."""

import keras
from keras import ops


def rotate_pairs(x, sine, cosine, interleaved):
    """Rotates pairs `(a, b)` to `(a cos - b sin, b cos + a sin)`.

    Args:
        x: `(batch, length, heads, head_dim)`.
        sine, cosine: float32 `(..., length, 1, pairs)`; the features behind
            the pairs stay as they are.
        interleaved: whether a pair is two neighbours or one feature of each
            half.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    rotated = 2 * sine.shape[-1]
    dtype = keras.backend.result_type(x.dtype, "float32")
    sine, cosine = ops.cast(sine, dtype), ops.cast(cosine, dtype)
    head = ops.cast(x[..., :rotated], dtype)
    if interleaved:
        first, second = head[..., ::2], head[..., 1::2]
    else:
        first, second = ops.split(head, 2, axis=-1)
    pair = (
        first * cosine - second * sine,
        second * cosine + first * sine,
    )
    if interleaved:
        head = ops.reshape(ops.stack(pair, axis=-1), ops.shape(head))
    else:
        head = ops.concatenate(pair, axis=-1)
    head = ops.cast(head, x.dtype)
    if rotated == x.shape[-1]:
        return head
    return ops.concatenate([head, x[..., rotated:]], axis=-1)
