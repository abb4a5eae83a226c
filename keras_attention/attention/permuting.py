"""Rows taken in another order, with gradients that are taken as well."""

from keras import ops


def take_rows(x, index):
    """Takes rows of the axis before the last.

    Args:
        x: `(batch, heads, rows, width)`.
        index: integers `(batch, heads, taken)`.

    Returns:
        `(batch, heads, taken, width)`.
    """
    batch, heads, rows, width = ops.shape(x)
    first = rows * ops.arange(batch * heads, dtype=index.dtype)
    index = index + ops.reshape(first, (batch, heads, 1))
    # Row by row from two axes: an index for every number would be as large
    # as the result.
    return ops.take(ops.reshape(x, (batch * heads * rows, width)), index, 0)


def permute(x, order, inverse):
    """Takes every row of `x` equally often, in the order given.

    The gradient of a row is the sum of those of its copies, which are taken
    by their places: adding up by index is slow, and in a TensorFlow graph of
    unknown length Keras' own way warns.

    Args:
        x: `(batch, heads, rows, width)`.
        order: integers `(batch, heads, copies * rows)`.
        inverse: integers of the same shape: where the first copies of all
            rows stand in the result, then the second ones, and so on.

    Returns:
        `(batch, heads, copies * rows, width)`.
    """

    # The integers are captured, not passed: they have no gradient.
    @ops.custom_gradient
    def forward(x):
        def backward(*inputs, upstream=None):
            if upstream is None:
                (upstream,) = inputs
            batch, heads, rows, width = ops.shape(x)
            shape = (batch, heads, -1, rows, width)
            return ops.sum(ops.reshape(take_rows(upstream, inverse), shape), 2)

        return take_rows(x, order), backward

    return forward(x)
