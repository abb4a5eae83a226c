"""The TensorFlow graph of a `QuestionAnswerer`. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.data.tokenizers.base import FIRST, SECOND
from keras_attention.data.tokenizers.texts import BLANK
from keras_attention.export.graph_parts import in_batches, warn_of_too_long
from keras_attention.export.text_graphs import TextGraph
from keras_attention.export.tokenizers.characters import NUL, PYTHON_SPACE
from keras_attention.export.tokens.segments import softmax
from keras_attention.export.tokens.spans import best_spans
from keras_attention.export.tokens.windows import WindowRows, windows

_TEXTS = [
    tf.TensorSpec([None], tf.string, name=name)
    for name in ("question", "context")
]


class QuestionAnswererGraph(TextGraph):
    """Tokenizes, reads windows and finds the best spans, all in a graph.

    Args:
        task: a `QuestionAnswerer`.
    """

    rows_class = WindowRows

    def __init__(self, task):
        super().__init__(task)
        self.served = self._signatures()

    def _signatures(self):
        serve = tf.function(
            self._answer, input_signature=_TEXTS, autograph=False
        )
        return {"serving_default": serve}

    def _answer(self, question, context):
        settings = self._task.value.settings
        asked = self._cut(self.rows.ids(question))
        read = self.rows.tokens(context)
        room = self._room() - asked.row_lengths()
        parts = windows(
            read.ids, room, tf.minimum(room // 2, settings["stride"])
        )
        logits = self._window_logits(asked, read, parts)
        rows = logits.value_rowids()
        scores = logits.with_flat_values(softmax(logits.flat_values, rows))
        top_k, aligns = settings["top_k"], settings["align_to_words"]
        # Some become one answer, as in the task.
        count = 2 * top_k + 10 if aligns else top_k
        spans, null = best_spans(
            scores, parts, settings["max_answer_length"], count
        )
        score, first, last = spans
        found = {
            "score": score,
            "start": _some(read.firsts, first),
            "end": _some(read.behinds, last),
        }
        if aligns:
            begins, ends = self.rows.words(context)
            start, end = _some(begins, first), _some(ends, last)
            is_word = (start >= 0) & (end >= 0)
            found["start"] = tf.where(is_word, start, found["start"])
            found["end"] = tf.where(is_word, end, found["end"])
            found = _joined(context, found)
        if settings["handle_impossible_answer"]:
            found = _with_none(found, null)
        found = _best(found, top_k)
        is_empty = _is_empty(question, asked) | _is_empty(context, read.ids)
        return _answers(context, found, is_empty)

    def _room(self):
        return self._task.value.inputs.room(pair=True)

    def _cut(self, questions):
        limit = self._room() // 2
        warn_of_too_long(
            questions.row_lengths() > limit,
            f"{limit}, half of max_length="
            f"{self._task.value.inputs.max_length},",
        )
        return questions[:, :limit]

    def _window_logits(self, asked, read, parts):
        """Gives ragged logits `(windows, 1 + tokens, 2)`, the null first."""
        inputs = self._task.value.inputs
        questions = tf.gather(asked, parts.text)
        ids = read.of(parts).ids
        rows = self.rows.in_template({FIRST: questions, SECOND: ids})
        sizes = questions.row_lengths()
        behind_question = inputs.place_of_text() + sizes
        start = inputs.place_of_text(0) + sizes
        places = tf.concat(
            [
                tf.zeros([parts.tokens.nrows(), 1], tf.int64),
                tf.ragged.range(start, start + ids.row_lengths()),
            ],
            axis=1,
        )
        flat = self.logits(rows, places, behind_question)
        return places.with_flat_values(flat)

    def logits(self, rows, places, behind_question):
        """Gives the logits of some tokens of rows.

        Args:
            rows: from `in_template`.
            places: ragged int64 `(rows, None)`, which tokens of each.
            behind_question: int64 `(rows,)`, where the question has ended.

        Returns:
            float32 `(tokens, 2)`, of all rows.
        """
        task = self._task.value

        def run(first, behind):
            batch = self.rows.batch(rows, first, behind)
            length = tf.shape(batch["token_ids"], tf.int64)[1]
            if task.takes_global_mask:
                # As Longformer was trained: all see the question.
                ends = behind_question[first:behind]
                batch["global_mask"] = tf.sequence_mask(ends, length)
            logits = tf.cast(task.model(batch, training=False), tf.float32)
            own = places[first:behind]
            flat = own.value_rowids() * length + own.flat_values
            return tf.gather(tf.reshape(logits, [-1, 2]), flat)

        count = places.nrows(tf.int32)
        return in_batches(count, task.settings["batch_size"], run, 2)


def _some(places, tokens):
    """Gives the places of tokens; of those that are none, 0."""
    flat = tf.concat([places, tf.zeros([1], tf.int64)], axis=0)
    none = tf.size(places, tf.int64)
    return tf.gather(flat, tf.where(tokens < 0, none, tokens))


def _joined(context, found):
    """Joins answers of the same text, in lower case, as the task does.

    Args:
        context: strings `(batch,)`.
        found: dictionary of tensors `(batch, count)`: `score`, -1 for an
            answer that is missing, `start` and `end`.

    Returns:
        The same; the first of each text has the scores of all, and the others
        are missing.
    """
    score = found["score"]
    # The operation stops at a NUL.
    texts = tf.strings.regex_replace(_texts(context, found), r"\x00", NUL)
    texts = tf.strings.lower(texts, encoding="utf-8")
    is_there = score >= 0
    same = texts[:, :, None] == texts[:, None, :]
    same &= is_there[:, :, None] & is_there[:, None, :]
    first = tf.argmax(tf.cast(same, tf.int32), axis=-1, output_type=tf.int32)
    is_first = is_there & (first == tf.range(tf.shape(score)[1]))
    total = tf.reduce_sum(tf.where(same, score[:, None, :], 0.0), axis=-1)
    return {**found, "score": tf.where(is_first, total, -1.0)}


def _texts(context, found):
    """Gives what stands at answers, strings `(batch, count)`."""
    start, end = found["start"], found["end"]
    texts = tf.repeat(context[:, None], tf.shape(start)[1], axis=1)
    return tf.strings.substr(texts, start, end - start, unit="UTF8_CHAR")


def _with_none(found, null):
    """Adds the empty answer, behind all others.

    Args:
        found: dictionary of tensors `(batch, top_k)`, with a `score`.
        null: float32 `(batch,)`, the score of the empty answer.
    """
    every = {name: tf.pad(x, [[0, 0], [0, 1]]) for name, x in found.items()}
    every["score"] = tf.concat([found["score"], null[:, None]], axis=1)
    return every


def _best(found, count):
    """Gives the best of answers in their order; of equals, the earlier."""
    _, order = tf.math.top_k(found["score"], count)
    return {
        name: tf.gather(x, order, batch_dims=1) for name, x in found.items()
    }


def _is_empty(text, ids):
    blank = f"[{PYTHON_SPACE}]*|{BLANK}"
    return tf.strings.regex_full_match(text, blank) | (ids.row_lengths() == 0)


def _answers(context, found, is_empty):
    """Describes the best answers, and how many there are."""
    is_answer = (found["score"] >= 0) & ~is_empty[:, None]
    found = {
        name: tf.where(is_answer, x, tf.zeros_like(x))
        for name, x in found.items()
    }
    return {
        "answer": _texts(context, found),
        "score": found["score"],
        "start": tf.cast(found["start"], tf.int32),
        "end": tf.cast(found["end"], tf.int32),
        "count": tf.reduce_sum(tf.cast(is_answer, tf.int32), axis=1),
    }
