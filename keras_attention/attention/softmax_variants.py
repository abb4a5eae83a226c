"""Small changes to scores and to the softmax over them."""

import keras
from keras import ops


def soft_cap(scores, cap):
    """Bends scores smoothly so that they stay within -cap and cap.

    Args:
        scores: a tensor of any shape.
        cap: float, the largest score.

    Returns:
        A tensor of the same shape: `cap * tanh(scores / cap)`.
    """
    if keras.backend.standardize_dtype(scores.dtype) == "float64":
        # `tanh` on JAX gives float32.
        return cap * (2.0 * ops.sigmoid(2.0 * scores / cap) - 1.0)
    return cap * ops.tanh(scores / cap)


def softmax_with_sink(scores, sink):
    """Softmax over the keys and one logit more, which takes no value.

    exp(s) / (exp(sink) + sum of exp(s)): a query that finds nothing may give
    its weight to the sink.

    Args:
        scores: `(batch, heads, query_length, key_length)`, those that do not
            count lowered by `softmax.add_mask`.
        sink: `(heads, 1, 1)`, or a number.

    Returns:
        `(batch, heads, query_length, key_length)`; zeros in rows where
        nothing counts.
    """
    sink = ops.cast(sink, scores.dtype)
    # It cancels, and so has no gradient.
    highest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    bound = ops.stop_gradient(sink)
    # `maximum` on torch gives float32 for float64.
    highest = ops.where(highest > bound, highest, bound)
    raised = ops.exp(scores - highest)
    total = ops.sum(raised, axis=-1, keepdims=True)
    return raised / (total + ops.exp(sink - highest))
