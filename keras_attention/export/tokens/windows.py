"""Windows over texts whose places count, in a graph. It imports TensorFlow."""

from typing import NamedTuple

import tensorflow as tf

from keras_attention.export.saved_model import NoOperations
from keras_attention.export.text_rows import TextRows
from keras_attention.export.tokenizers.characters import (
    NUL,
    PYTHON_SPACE,
    characters,
)
from keras_attention.export.tokens.segments import Segments


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
        places = Characters(text)
        return Tokens(ids, *places.without_space(ids.value_rowids(), *flat))

    def words(self, text):
        """Gives the words that the tokens of strings are parts of.

        Args:
            text: strings `(batch,)`.

        Returns:
            `(firsts, behinds)`, int64 `(tokens,)`, characters of the text
            without white space; -1 for a token in no word.
        """
        given, places = self._shown(text), Characters(text)
        if not hasattr(self.tokenizer, "tokenize_with_words"):
            ids, *spans = self.tokenizer.tokenize_with_offsets(given)
            flat = (x.flat_values for x in spans)
            return places.words(ids.value_rowids(), *flat)
        ids, *spans, begins = self.tokenizer.tokenize_with_words(given)
        words = Segments(begins.flat_values)
        firsts = tf.gather(spans[0].flat_values, words.heads)
        behinds = tf.gather(spans[1].flat_values, words.tails)
        rows = tf.gather(ids.value_rowids(), words.heads)
        found = places.without_space(rows, firsts, behinds)[:2]
        return tuple(tf.gather(x, words.numbers) for x in found)


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


class Characters:
    """The characters of texts, and which of them are white space.

    Args:
        text: strings `(batch,)`.
    """

    def __init__(self, text):
        cut = characters(tf.strings.regex_replace(text, r"\x00", NUL))
        self._is_seen = ~tf.strings.regex_full_match(
            cut.flat_values, f"[{PYTHON_SPACE}]"
        )
        self._starts, self._limits = cut.row_starts(), cut.row_limits()
        self._before = _sums_before(self._is_seen)
        seen = tf.where(self._is_seen)[:, 0]
        self._seen = tf.concat([seen, tf.zeros([1], tf.int64)], axis=0)

    def without_space(self, rows, first, behind):
        """Takes white space off the ends of spans, unless they hold no more.

        Args:
            rows: int64 `(spans,)`, the text of each.
            first, behind: int64 `(spans,)`.

        Returns:
            `(firsts, behinds, is_inside)`, as of `Tokens`.
        """
        start = tf.gather(self._starts, rows)
        first, behind = first + start, behind + start
        left = tf.gather(self._before, first)
        right = tf.gather(self._before, behind)
        is_any = right > left
        first = tf.where(is_any, tf.gather(self._seen, left), first)
        last = tf.gather(self._seen, tf.maximum(right - 1, 0))
        behind = tf.where(is_any, last + 1, behind)
        # The character before and, unless the text is at its end, its own.
        behind_own = tf.minimum(first + 1, tf.gather(self._limits, rows))
        earlier = tf.maximum(first - 1, start)
        found = tf.gather(self._before, behind_own)
        found -= tf.gather(self._before, earlier)
        is_inside = (first > start) & (found == behind_own - earlier)
        return first - start, behind - start, is_inside

    def words(self, rows, first, behind):
        """Gives the words between white space that spans are parts of.

        Args:
            rows, first, behind: as of `without_space`.

        Returns:
            `(firsts, behinds)`, int64 `(spans,)`; -1 for a span in no word.
        """
        start = tf.gather(self._starts, rows)
        first, behind = first + start, behind + start
        left = tf.gather(self._before, first)
        place = tf.gather(self._seen, left)
        is_seen = tf.gather(self._before, tf.gather(self._limits, rows)) > left
        begins, ends = self._words()
        number = tf.gather(_sums_before(begins), place + 1) - 1
        begin = _gathered(tf.where(begins)[:, 0], number)
        end = _gathered(tf.where(ends)[:, 0] + 1, number)
        is_in = is_seen & (begin < behind)
        return (tf.where(is_in, x - start, -1) for x in (begin, end))

    def _words(self):
        """Says of each character whether it begins, and ends, a word."""
        size = tf.size(self._is_seen, tf.int64)
        apart = tf.zeros([size + 1], tf.bool)
        edges = tf.concat([self._starts, self._limits], axis=0)
        ones = tf.ones_like(edges, tf.bool)
        apart = tf.tensor_scatter_nd_update(apart, edges[:, None], ones)
        none = tf.zeros([1], tf.bool)
        earlier = tf.concat([none, self._is_seen], axis=0)[:-1]
        later = tf.concat([self._is_seen, none], axis=0)[1:]
        begins = self._is_seen & (apart[:-1] | ~earlier)
        return begins, self._is_seen & (apart[1:] | ~later)


def _sums_before(flags):
    """How many of the flags before each place are set, and of all."""
    sums = tf.cumsum(tf.cast(flags, tf.int64))
    return tf.concat([tf.zeros([1], tf.int64), sums], axis=0)


def _gathered(values, places):
    """As `tf.gather`; of no values, zeros."""
    values = tf.concat([values, tf.zeros([1], tf.int64)], axis=0)
    return tf.gather(values, tf.maximum(places, 0))
