"""Neighbouring rows taken together, in a graph. It imports TensorFlow."""

import tensorflow as tf


class Segments:
    """Segments of rows that follow each other.

    Args:
        begins: boolean `(rows,)`, which rows begin a segment; the first does.
    """

    def __init__(self, begins):
        self.numbers = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        self.heads = tf.where(begins)[:, 0]
        behind = tf.concat(
            [self.heads[1:], tf.shape(begins, tf.int64)[:1]], axis=0
        )
        self.tails = behind[: tf.size(self.heads)] - 1

    def mean(self, values):
        """Gives the mean of the rows of each segment."""
        return tf.math.segment_mean(values, self.numbers)

    def largest(self, values, sizes):
        """Gives the row of each segment that is largest; the first of equals.

        Args:
            values: `(rows, ...)`.
            sizes: floats `(rows,)`.
        """
        best = tf.math.segment_max(sizes, self.numbers)
        is_best = sizes == tf.gather(best, self.numbers)
        places = tf.range(tf.size(sizes))
        places = tf.where(is_best, places, tf.size(sizes))
        return tf.gather(values, tf.math.segment_min(places, self.numbers))


def softmax(logits, rows):
    """Gives the softmax over the rows of each segment.

    Args:
        logits: float32 `(rows, width)`.
        rows: int64 `(rows,)`, their segments in order.
    """
    top = tf.gather(tf.math.segment_max(logits, rows), rows)
    raised = tf.exp(logits - top)
    return raised / tf.gather(tf.math.segment_sum(raised, rows), rows)
