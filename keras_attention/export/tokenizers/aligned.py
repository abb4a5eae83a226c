"""Where in a text its characters come from, in a graph.

Places are counted as the `tokenizers` library does, in characters of the text
before it was normalized. This module imports TensorFlow.
"""

import tensorflow as tf

from keras_attention.export.tokenizers.characters import characters, join


class Aligned:
    """Strings with the place that each character has in the original text.

    Args:
        characters: ragged strings `(count, None)`, of one character each.
        firsts, behinds: int64 `(characters,)`, where in its text a character
            begins and ends.
    """

    def __init__(self, characters, firsts, behinds):
        self.characters = characters
        self.firsts, self.behinds = firsts, behinds

    @classmethod
    def of(cls, text, splits):
        """Gives strings that are as they were.

        Args:
            text: strings `(count,)`, parts of texts.
            splits: int64 `(batch + 1,)`, where each text's parts begin.
        """
        cut = characters(text)
        sizes = tf.gather(cut.row_splits, splits)
        places = tf.ragged.range(sizes[1:] - sizes[:-1]).flat_values
        return cls(cut, places, places + 1)

    def text(self):
        """Joins the characters to strings `(count,)`."""
        return join(self.characters)

    def taking(self, found, places):
        """Gives other characters, each from the place of one of these.

        Args:
            found: ragged strings `(count, None)`, of one character each.
            places: int64 `(characters,)`, for each of `found` the number of
                one of these characters, counted over all strings.
        """
        return Aligned(
            found,
            tf.gather(self.firsts, places),
            tf.gather(self.behinds, places),
        )

    def by_character(self, replace):
        """Replaces each character by a string.

        Args:
            replace: function from strings `(count,)` to strings.
        """
        flat = self.characters.flat_values
        found = characters(replace(flat))
        rows = self.characters.with_flat_values(found).merge_dims(1, 2)
        return self.taking(rows, found.value_rowids())

    def changed(self, found, changes):
        """Puts other characters in the place of all, one after the other.

        Args:
            found: ragged strings `(count, None)`, of one character each.
            changes: int64 `(characters,)`: 1 for a character that is put in
                behind the one before; otherwise it stands for the next of
                these, and a negative number says how many more it takes.
        """
        stands = changes <= 0
        taken = tf.where(stands, 1 - changes, 0)
        before = sums_before(found.with_flat_values(taken)).flat_values
        before = tf.maximum(tf.where(stands, before, before - 1), 0)
        starts = self.characters.row_starts()
        places = before + tf.gather(starts, found.value_rowids())
        return self.taking(found, places)

    def spans(self, firsts, behinds):
        """Gives the places in the original of some of these characters.

        Args:
            firsts, behinds: int64 `(count,)`, numbers of characters, counted
                over all strings. A part may be empty.

        Returns:
            `(firsts, behinds)`.
        """
        is_any = firsts < behinds
        last = tf.where(is_any, behinds, firsts + 1) - 1
        begin = tf.gather(self.firsts, firsts)
        return begin, tf.where(is_any, tf.gather(self.behinds, last), begin)

    def where(self, chosen, other):
        """Gives these strings where chosen, and those of another elsewhere.

        Args:
            chosen: boolean `(count,)`.
            other: an `Aligned` of as many strings.
        """
        own = self._some(chosen)
        others = other._some(~chosen)
        rows, firsts, behinds = (
            tf.concat(pair, axis=1) for pair in zip(own, others, strict=True)
        )
        return Aligned(rows, firsts.flat_values, behinds.flat_values)

    def _some(self, chosen):
        rows = self.characters
        kept = rows.with_flat_values(tf.gather(chosen, rows.value_rowids()))
        return [
            tf.ragged.boolean_mask(rows.with_flat_values(values), kept)
            for values in (rows.flat_values, self.firsts, self.behinds)
        ]


def sums_before(rows):
    """Adds up, for each number of ragged rows, those before it in its row."""
    sums = tf.cumsum(rows.flat_values, exclusive=True)
    starts = tf.gather(rows.row_starts(), rows.value_rowids())
    return rows.with_flat_values(sums - tf.gather(sums, starts))


def first_of_rows(rows):
    """Says of ragged `(count, None)` values whether each begins its row."""
    numbers = tf.ragged.range(rows.row_lengths(), row_splits_dtype=tf.int64)
    return rows.with_flat_values(numbers.flat_values == 0)


def in_characters(strings, begins, ends):
    """Counts in characters what is counted in bytes.

    Args:
        strings: strings `(count,)`.
        begins, ends: ragged int64 `(count, None)`, where parts of each string
            begin and end. Of a character that is cut, the whole belongs to
            the part.

    Returns:
        `(firsts, behinds)`, of the shape of `begins`.
    """
    numbers = tf.io.decode_raw(tf.strings.reduce_join(strings), tf.uint8)
    starts = tf.cast(tf.bitwise.bitwise_and(numbers, 0xC0) != 0x80, tf.int64)
    counts = tf.concat([tf.zeros([1], tf.int64), tf.cumsum(starts)], axis=0)
    sizes = tf.cast(tf.strings.length(strings), tf.int64)
    offsets = tf.cumsum(sizes, exclusive=True)
    rows = begins.value_rowids()
    offset = tf.gather(offsets, rows)
    begin = tf.cast(begins.flat_values, tf.int64)
    end = tf.cast(ends.flat_values, tf.int64)
    base = tf.gather(counts, offset)
    is_any = tf.cast(begin < end, tf.int64)
    firsts = tf.gather(counts, offset + begin + is_any) - is_any - base
    behinds = tf.gather(counts, offset + end) - base
    return begins.with_flat_values(firsts), begins.with_flat_values(behinds)


def sizes_of(strings):
    """Counts the characters of strings, int64."""
    return tf.cast(tf.strings.length(strings, "UTF8_CHAR"), tf.int64)


def moved(spans, by):
    """Moves parts of strings to where these strings begin in a longer one.

    Args:
        spans: `(firsts, behinds)`, ragged int64 `(count, None)`.
        by: int64 `(count,)`.
    """
    return [
        x.with_flat_values(x.flat_values + tf.gather(by, x.value_rowids()))
        for x in spans
    ]


def without_prefix(spans, has_prefix):
    """Takes back a character that was put before strings.

    It counts as the first of the text itself.

    Args:
        spans: `(firsts, behinds)`, ragged int64 `(count, None)`.
        has_prefix: boolean `(count,)`.
    """
    firsts, behinds = moved(spans, -tf.cast(has_prefix, tf.int64))
    return [
        firsts.with_flat_values(tf.maximum(firsts.flat_values, 0)),
        behinds.with_flat_values(tf.maximum(behinds.flat_values, 1)),
    ]
