"""Windows over texts whose places count, in a graph. It imports TensorFlow."""

from typing import NamedTuple

import tensorflow as tf

from keras_attention.export.saved_model import NoOperations
from keras_attention.export.text_rows import TextRows
from keras_attention.export.tokenizers.aligned import sizes_of
from keras_attention.export.tokenizers.characters import (
    NUL,
    PYTHON_SPACE,
    characters,
)


class Tokens(NamedTuple):
    """The tokens of texts.

    Args:
        ids: ragged int32 `(batch, None)`, without special ones.
        firsts, behinds: int64 `(tokens,)`, the characters of the text that
            each token stands for, without white space.
        is_inside: boolean `(tokens,)`, whether it begins behind a character
            and neither of the two is white space.
    """

    ids: tf.RaggedTensor
    firsts: tf.Tensor
    behinds: tf.Tensor
    is_inside: tf.Tensor

    def of(self, windows):
        """Gives the tokens of windows, those of a `Windows`, flat."""
        flat = windows.tokens.flat_values
        ids = tf.gather(self.ids.flat_values, flat)
        return Tokens(
            windows.tokens.with_flat_values(ids),
            *(tf.gather(x, flat) for x in self[1:]),
        )


class Windows(NamedTuple):
    """Parts of texts that a model reads, those of one text together.

    Args:
        text: int64 `(windows,)`, which text.
        first, behind: int64 `(windows,)`, which of its tokens.
        tokens: ragged int64 `(windows, None)`, the same counted over the
            tokens of all texts.
    """

    text: tf.Tensor
    first: tf.Tensor
    behind: tf.Tensor
    tokens: tf.RaggedTensor


class WindowRows(TextRows):
    """Texts as rows of windows, with the places of tokens.

    Args:
        inputs: the `TextInputs` of a task.

    Raises:
        NoOperations: if the tokenizer gives no places in a graph.
    """

    def __init__(self, inputs):
        super().__init__(inputs)
        reason = self.tokenizer.without_offsets
        if reason is not None:
            raise NoOperations(
                "The tokenizer does not say in a TensorFlow graph which "
                f"characters its tokens stand for: {reason}."
            )

    def tokens(self, text):
        """Gives the `Tokens` of strings `(batch,)`."""
        ids, firsts, behinds = self.tokenizer.tokenize_with_offsets(
            self._shown(text)
        )
        flat = firsts.flat_values, behinds.flat_values
        return Tokens(ids, *_without_space(text, ids.value_rowids(), *flat))


def windows(ids, room, stride=None):
    """Cuts rows of ids into windows, as a task does.

    Args:
        ids: ragged `(batch, None)`.
        room: integer, or int64 `(batch,)`, tokens of a window at most.
        stride: the same, the tokens that a window shares with the one
            before; None for a single window.

    Returns:
        A `Windows`, with one window of a row at least.
    """
    lengths = ids.row_lengths()
    room = tf.zeros_like(lengths) + tf.cast(room, tf.int64)
    counts, step = tf.ones_like(lengths), room
    if stride is not None:
        step = room - tf.cast(stride, tf.int64)
        counts += -(tf.minimum(room - lengths, 0) // step)
    text = tf.repeat(tf.range(tf.size(lengths, tf.int64)), counts)
    first = tf.ragged.range(counts).flat_values * tf.gather(step, text)
    behind = tf.minimum(first + tf.gather(room, text), tf.gather(lengths, text))
    starts = tf.gather(ids.row_starts(), text)
    tokens = tf.ragged.range(starts + first, starts + behind)
    return Windows(text, first, behind, tokens)


def _without_space(text, rows, first, behind):
    """Takes white space off the ends of spans, unless they hold no more.

    Args:
        text: strings `(batch,)`.
        rows: int64 `(tokens,)`, the text of each span.
        first, behind: int64 `(tokens,)`.

    Returns:
        `(firsts, behinds, is_inside)`, as of `Tokens`.
    """
    cut = characters(tf.strings.regex_replace(text, r"\x00", NUL))
    is_seen = ~tf.strings.regex_full_match(cut.flat_values, f"[{PYTHON_SPACE}]")
    sums = tf.cumsum(tf.cast(is_seen, tf.int64))
    before = tf.concat([tf.zeros([1], tf.int64), sums], axis=0)
    start = tf.gather(cut.row_starts(), rows)
    first, behind = first + start, behind + start
    left, right = tf.gather(before, first), tf.gather(before, behind)
    seen = tf.concat([tf.where(is_seen)[:, 0], tf.zeros([1], tf.int64)], axis=0)
    first = tf.where(right > left, tf.gather(seen, left), first)
    behind = tf.where(
        right > left, tf.gather(seen, tf.maximum(right - 1, 0)) + 1, behind
    )
    # The character before and, unless the text is at its end, its own.
    behind_own = tf.minimum(first + 1, start + tf.gather(sizes_of(text), rows))
    earlier = tf.maximum(first - 1, start)
    found = tf.gather(before, behind_own) - tf.gather(before, earlier)
    is_inside = (first > start) & (found == behind_own - earlier)
    return first - start, behind - start, is_inside
