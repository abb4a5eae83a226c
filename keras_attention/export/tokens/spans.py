"""The most probable spans of windows, in a graph. It imports TensorFlow."""

import tensorflow as tf


def best_spans(scores, parts, max_length, count):
    """Finds the best spans of each text, as the task does.

    See `keras_attention.tasks.tokens.spans.best_spans`.

    Args:
        scores: ragged float32 `(windows, 1 + tokens, 2)`, the probabilities
            of first and last tokens, those of the null token first.
        parts: the `Windows`, each sharing tokens with its neighbours alone.
        max_length: integer, tokens of a span at most.
        count: integer, how many spans.

    Returns:
        `(spans, null)`: `(score, first, last)`, each `(texts, count)`, the
        best first, tokens counted over all texts and -1 for a span that is
        missing; and float32 `(texts,)`, the least score of the null token.
    """
    null = tf.reduce_prod(scores[:, :1].flat_values, axis=-1)
    null = tf.math.segment_min(null, parts.text)
    flat = scores[:, 1:].flat_values
    tokens = parts.tokens
    window = tokens.value_rowids()
    longer = tf.range(max_length, dtype=tf.int64)
    places = tf.range(tf.size(window, tf.int64))
    last = places[:, None] + longer
    behind = tf.gather(tokens.row_limits(), window)[:, None]
    is_inside = last < behind
    last = tf.minimum(last, behind - 1)
    score = flat[:, 0, None] * tf.gather(flat[:, 1], last)
    first = places - tf.gather(tokens.row_starts(), window)
    first += tf.gather(parts.first, window)
    allowed = is_inside & _sees_most(
        parts, window[:, None], first[:, None], first[:, None] + longer
    )
    score = tf.where(allowed, score, -1.0)
    sizes = tf.math.segment_sum(tokens.row_lengths(), parts.text)
    best, order = _best_of_rows(score, sizes, count)
    begin = tf.cumsum(sizes, exclusive=True)[:, None] + order // max_length
    begin = tf.where(best >= 0, begin, 0)
    numbers = tf.concat([tokens.flat_values, tf.zeros([1], tf.int64)], axis=0)
    first = tf.where(best >= 0, tf.gather(numbers, begin), -1)
    last = tf.where(best >= 0, first + order % max_length, -1)
    return (best, first, last), null


def _best_of_rows(scores, sizes, count):
    """Gives the best scores of texts and their places, int64.

    Args:
        scores: float32 `(tokens, width)`.
        sizes: int64 `(texts,)`, how many tokens are of each.
        count: integer.
    """
    width = scores.shape[1]
    rows = tf.RaggedTensor.from_row_lengths(
        tf.reshape(scores, [-1]), sizes * width
    )
    rows = rows.to_tensor(-1.0)
    rows = tf.pad(rows, [[0, 0], [0, count]], constant_values=-1.0)
    best, places = tf.math.top_k(rows, count)
    return best, tf.cast(places, tf.int64)


def _sees_most(parts, window, first, last):
    """Whether no neighbour of a window sees more around a span of it.

    Args:
        parts: the `Windows`.
        window: int64 `(tokens, 1)`.
        first, last: int64 `(tokens, 1)` and `(tokens, width)`, the spans,
            in tokens of the text.
    """
    own = _context(parts, window, first, last)
    before = tf.maximum(window - 1, 0)
    behind = tf.minimum(window + 1, tf.size(parts.text, tf.int64) - 1)
    is_best = _other(parts, window, before) | (
        own > _context(parts, before, first, last)
    )
    return is_best & (
        _other(parts, window, behind)
        | (own >= _context(parts, behind, first, last))
    )


def _other(parts, window, neighbour):
    """Whether a window has no such neighbour over its text."""
    text = tf.gather(parts.text, window)
    return (tf.gather(parts.text, neighbour) != text) | (neighbour == window)


def _context(parts, window, first, last):
    """What a window sees around spans; negative for those it does not hold."""
    begin, behind = (tf.gather(x, window) for x in (parts.first, parts.behind))
    around = tf.minimum(first - begin, behind - 1 - last)
    size = 0.01 * tf.cast(behind - begin, tf.float64)
    return tf.cast(around, tf.float64) + tf.where(around >= 0, size, 0.0)
