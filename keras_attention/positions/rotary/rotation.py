"""Turning pairs of features by angles."""

from keras import ops

from keras_attention.tensors import at_least_float32


def count_turned(name, head_dim, fraction, multiple=2):
    """Counts the features that are turned, the first of a head.

    Args:
        name: what the encoding is called in the error message.
        head_dim: integer.
        fraction: the share that is turned.
        multiple: integer of which the count must be a multiple.

    Raises:
        ValueError: if it is not, or 0.
    """
    turned = int(head_dim * fraction)
    if turned % multiple or turned == 0:
        expected = {2: "even", 4: "a multiple of 4, two axes having pairs"}
        raise ValueError(
            f"{name} turns pairs: head_dim * fraction must be positive and "
            f"{expected[multiple]}. Received: head_dim={head_dim}, "
            f"fraction={fraction}"
        )
    return turned


def turn_pairs(x, sine, cosine, interleaved):
    """Turns pairs `(a, b)` into `(a cos - b sin, b cos + a sin)`.

    Args:
        x: `(batch, length, heads, head_dim)`.
        sine, cosine: `(..., length, 1, pairs)`; the features behind the
            pairs stay as they are.
        interleaved: whether a pair is two neighbours or one feature of each
            half.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    turned = 2 * sine.shape[-1]
    dtype = at_least_float32(x.dtype)
    sine, cosine = ops.cast(sine, dtype), ops.cast(cosine, dtype)
    head = ops.cast(x[..., :turned], dtype)
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
    if turned == x.shape[-1]:
        return head
    return ops.concatenate([head, x[..., turned:]], axis=-1)
