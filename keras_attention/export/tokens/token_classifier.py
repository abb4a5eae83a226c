"""The TensorFlow graph of a `TokenClassifier`. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.data.tokenizers.base import FIRST
from keras_attention.export.graph_parts import (
    in_batches,
    warn_of_too_long,
)
from keras_attention.export.text_graphs import TextGraph
from keras_attention.export.tokens.segments import Segments
from keras_attention.export.tokens.windows import WindowRows, windows

_WIDE = 2**40  # more than a text has characters


class TokenClassifierGraph(TextGraph):
    """Tokenizes, classifies and joins to entities, all in a graph.

    Args:
        task: a `TokenClassifier`.
    """

    rows_class = WindowRows

    def __init__(self, task):
        super().__init__(task)
        self.served = self._signatures()

    def _signatures(self):
        return {"serving_default": self._signature(self._find)}

    def _find(self, text):
        tokens = self.rows.tokens(text)
        parts = self._windows(tokens.ids)
        tokens = tokens.of(parts)
        rows = self.rows.in_template({FIRST: tokens.ids})
        start = self._task.value.inputs.place_of_text()
        scores = self.scores(rows, start, tokens.ids.row_lengths())
        number = tokens.ids.value_rowids()
        is_first = tf.ragged.range(tokens.ids.row_lengths()).flat_values == 0
        found = {
            "scores": scores,
            "start": tokens.firsts,
            "end": tokens.behinds,
            "text_index": tf.gather(parts.text, number),
            "is_first": is_first,
        }
        found = self._entities(self._words(found, tokens))
        order = self._chosen(found)
        found = {name: tf.gather(x, order) for name, x in found.items()}
        return _answers(text, found)

    def _windows(self, ids):
        task = self._task.value
        room, stride = task.inputs.room(), task.settings["stride"]
        if stride is None:
            warn_of_too_long(
                ids.row_lengths() > room,
                f"max_length={task.inputs.max_length}",
            )
        return windows(ids, room, stride)

    def scores(self, rows, start, lengths):
        """Gives the probabilities of the classes of tokens.

        Args:
            rows: from `in_template`.
            start: integer, where a row's tokens begin.
            lengths: int64 `(rows,)`, how many there are.

        Returns:
            float32 `(tokens, classes)`, of all rows.
        """
        task = self._task.value

        def run(first, behind):
            batch = self.rows.batch(rows, first, behind)
            logits = task.model(batch, training=False)[:, start:]
            own = tf.RaggedTensor.from_tensor(logits, lengths[first:behind])
            return tf.nn.softmax(tf.cast(own.flat_values, tf.float32))

        size, count = task.settings["batch_size"], tf.size(lengths)
        return in_batches(count, size, run, len(task.labels))

    def _words(self, found, tokens):
        """Makes one token of those of each word, where the task does."""
        task = self._task.value
        rule = task.settings["aggregation"]
        if rule in (None, "simple"):
            return found
        ids = tokens.ids.flat_values
        is_inside = tokens.is_inside
        prefix = task.tokenizer.continuing_prefix
        if prefix:
            known = [[n] for n in range(task.tokenizer.vocabulary_size)]
            pieces = [piece for (piece,) in task.tokenizer.pieces(known)]
            within = tf.constant([x.startswith(prefix) for x in pieces])
            is_inside = tf.gather(within, ids)
        is_inside &= ids != task.tokenizer.unknown_id
        words = Segments(found["is_first"] | ~is_inside)
        scores = found["scores"]
        if rule == "first":
            chosen = tf.gather(scores, words.heads)
        elif rule == "max":
            chosen = words.largest(scores, tf.reduce_max(scores, axis=-1))
        else:
            chosen = words.mean(scores)
        return {**_joined(found, words), "scores": chosen}

    def _entities(self, found):
        """Joins words, or tokens, to entities."""
        task = self._task.value
        best = tf.argmax(found["scores"], axis=-1)
        scheme, labels = task.scheme, task.labels
        goes_on = tf.zeros_like(best, tf.bool)
        types = labels
        if scheme:
            pairs = [[scheme.goes_on(x, y) for y in labels] for x in labels]
            types = [scheme.type_of(label) for label in labels]
            both = tf.stack([tf.roll(best, 1, axis=0), best], axis=1)
            goes_on = tf.gather_nd(tf.constant(pairs), both)
        entities = Segments(found["is_first"] | ~goes_on)
        score = tf.reduce_max(found.pop("scores"), axis=-1)
        return {
            **_joined(found, entities),
            "label": tf.gather(
                tf.constant(types), tf.gather(best, entities.heads)
            ),
            "score": entities.mean(score),
        }

    def _chosen(self, found):
        """Says which entities there are to be, in their order."""
        settings = self._task.value.settings
        is_ignored = tf.zeros_like(found["label"], tf.bool)
        for label in settings["ignore_labels"]:
            is_ignored |= found["label"] == label
        order = tf.where(~is_ignored)[:, 0]
        if settings["stride"] is None:
            return order
        names = "text_index", "start", "end", "score"
        columns = [tf.gather(found[name], order) for name in names]
        return tf.gather(order, without_overlaps(*columns))


def _joined(found, segments):
    """Makes one row of each segment, from its begin to its end."""
    return {
        **{name: tf.gather(x, segments.heads) for name, x in found.items()},
        "end": tf.gather(found["end"], segments.tails),
    }


def without_overlaps(text, start, end, score):
    """As `keras_attention.tasks.tokens.entities.without_overlaps`.

    Args:
        text, start, end: int64 `(entities,)`, which text, and where in it.
        score: float32 `(entities,)`.

    Returns:
        int64 `(kept,)`, which entities are kept, in the order of the texts.
    """
    order = tf.argsort(text * _WIDE + start, stable=True)
    columns = [tf.gather(x, order) for x in (text, start, end, score)]
    places = tf.range(tf.size(order))

    def step(kept, entity):
        text, start, end, score, place = entity
        of_text, behind, size, best, *_ = kept
        is_new = (text != of_text) | (start >= behind)
        is_longer = end - start > size
        is_better = (end - start == size) & (score > best)
        taken = is_new | is_longer | is_better
        given = text, end, end - start, score, place
        chosen = (
            tf.where(taken, new, old)
            for new, old in zip(given, kept[:5], strict=True)
        )
        return *chosen, is_new

    none = tf.constant(-1, tf.int64)
    start = (none, none, none, tf.constant(0.0), tf.constant(-1))
    *_, kept, is_new = tf.scan(
        step, (*columns, places), (*start, tf.constant(True))
    )
    # What is kept last, before another begins.
    is_last = tf.concat([is_new[1:], tf.fill([1], True)], axis=0)
    is_last = is_last[: tf.size(order)]
    return tf.gather(order, tf.boolean_mask(kept, is_last))


def _answers(text, found):
    """Describes entities: what stands there, and how many a text has."""
    index, start, end = (found[x] for x in ("text_index", "start", "end"))
    counts = tf.math.bincount(
        tf.cast(index, tf.int32), minlength=tf.size(text), dtype=tf.int32
    )
    return {
        "text_index": tf.cast(index, tf.int32),
        "label": found["label"],
        "score": found["score"],
        "start": tf.cast(start, tf.int32),
        "end": tf.cast(end, tf.int32),
        "text": tf.strings.substr(
            tf.gather(text, index), start, end - start, unit="UTF8_CHAR"
        ),
        "count": counts,
    }
