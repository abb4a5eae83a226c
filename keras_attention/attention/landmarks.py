"""Means over segments of a sequence, and the inverse of their weights."""

from keras import ops


def segment_means(heads, num_segments, padding_mask=None):
    """Averages queries or keys over segments of one length.

    A sequence is cut into segments of `ceil(length / num_segments)`
    positions, so that short ones leave the last segments empty. With a mask
    each row has the length of its own last token that counts, so that padding
    behind it changes nothing, and only tokens that count are averaged.

    Args:
        heads: `(batch, length, heads, head_dim)`; zeros at padding.
        num_segments: integer.
        padding_mask: boolean `(batch, length)`, or None.

    Returns:
        `(means, seen)`: `(batch, num_segments, heads, head_dim)`, and boolean
        `(batch or 1, num_segments)`, True for segments with a token.
    """
    if padding_mask is None:
        return _means_of_all(heads, num_segments)
    length = ops.shape(heads)[1]
    places = ops.arange(length, dtype="int32")
    ends = ops.where(padding_mask, places + 1, 0)
    row_length = ops.max(ends, axis=1, keepdims=True)
    size = ops.maximum(-(-row_length // num_segments), 1)
    segment = places // size
    member = segment[..., None] == ops.arange(num_segments, dtype="int32")
    member = ops.logical_and(member, padding_mask[..., None])
    member = ops.cast(member, heads.dtype)
    count = ops.sum(member, axis=1)
    # A product, for segments that differ from row to row.
    sums = ops.einsum("bsm,bshd->bmhd", member, heads)
    return sums / ops.maximum(count, 1)[..., None, None], count > 0


def _means_of_all(heads, num_segments):
    batch, length, num_heads, head_dim = ops.shape(heads)
    size = -(-length // num_segments)
    rows = num_segments * size - length
    padded = ops.pad(heads, [(0, 0), (0, rows), (0, 0), (0, 0)])
    shape = (batch, num_segments, size, num_heads, head_dim)
    sums = ops.sum(ops.reshape(padded, shape), axis=2)
    starts = size * ops.arange(num_segments, dtype="int32")
    count = ops.clip(length - starts, 0, size)[None]
    means = sums / ops.cast(ops.maximum(count, 1), heads.dtype)[..., None, None]
    return means, count > 0


def iterative_pseudo_inverse(matrix, num_iterations):
    """Approximates Moore-Penrose inverses by products alone.

    Every matrix starts from its own norms, so none depends on another one.

    Args:
        matrix: `(..., m, m)` of weights of 0 or more.
        num_iterations: integer; the error shrinks with the third power.

    Returns:
        `(..., m, m)`; zeros for a matrix of zeros.
    """
    rows = ops.max(ops.sum(matrix, axis=-1), axis=-1)
    columns = ops.max(ops.sum(matrix, axis=-2), axis=-1)
    norm = (rows * columns)[..., None, None]
    norm = ops.where(norm > 0, norm, 1.0)
    inverse = ops.swapaxes(matrix, -1, -2) / norm
    identity = ops.eye(matrix.shape[-1], dtype=matrix.dtype)
    for _ in range(num_iterations):
        product = _multiply(matrix, inverse)
        inner = 15 * identity - _multiply(product, 7 * identity - product)
        inner = 13 * identity - _multiply(product, inner)
        inverse = 0.25 * _multiply(inverse, inner)
    return inverse


def _multiply(first, second):
    # `matmul` on torch gives float32 for float64.
    return ops.einsum("...ij,...jk->...ik", first, second)
