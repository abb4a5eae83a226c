"""SentencePiece's compiled normalization in a graph. It imports TensorFlow.

The rules are applied as the `tokenizers` library does: a grapheme of less
than six bytes is replaced by the rule for its shortest prefix, the rest of it
is lost, and longer graphemes are replaced character by character.
"""

import numpy as np
import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.characters import (
    characters,
    join,
    look_up,
    ranges,
    rows_where,
    string_table,
    without_mark,
)

MARK = "\ue000"  # for private use: no rule makes it of a character
# Characters that join the one behind them, whose rule then does not count.
PREPENDED = r"\x{600}-\x{605}\x{6dd}\x{70f}\x{890}\x{891}\x{8e2}\x{d4e}"
LONGEST = 5  # bytes of a grapheme that is looked up as a whole


class CharsmapRules(tf.Module):
    """Applies the rules of a `precompiled_charsmap`.

    Args:
        charsmap: bytes.
        normalize: function from a string to a string that applies them. It
            tells which characters join the one before them to a grapheme.
    """

    def __init__(self, charsmap, normalize):
        super().__init__()
        rules = read_charsmap(charsmap)
        tables = [{}, {}, {}]
        for key, result in rules.items():
            if len(key) <= len(tables):
                tables[len(key) - 1][key] = result
        self._tables = [string_table(x) if x else None for x in tables]
        marks = _marks(tables[0], normalize)
        alone = ranges(_alone(tables[0], normalize)) or r"\x00"
        self._grapheme = "|".join(
            (
                r"(?s)\r\n",
                f"[{PREPENDED}]+[^{alone}][{marks}]*",
                f"[^{alone}][{marks}]+",
                ".",
            )
        )

    def __call__(self, text):
        """Applies the rules to strings `(count,)`."""
        parts, units, _ = self._replaced(text)
        return join(parts.with_flat_values(join(units)))

    def aligned(self, given):
        """Applies the rules to `Aligned` strings.

        What a rule makes stands for the characters in the same order; of
        more, the others are put in behind; of fewer, the last takes the rest,
        even if another rule has made it. Before a first rule that makes
        nothing is none, and the library then counts from the beginning.
        """
        parts, units, sizes = self._replaced(given.text())
        found = characters(units.flat_values)
        made = found.row_lengths()
        rows = parts.with_flat_values(units.with_flat_values(found))
        rows = rows.merge_dims(1, 2).merge_dims(1, 2)
        places = tf.ragged.range(made).flat_values
        is_more = places >= tf.gather(sizes, found.value_rowids())
        behind = tf.cumsum(made)
        of_text = parts.with_flat_values(units).merge_dims(1, 2)
        starts = tf.gather(rows.row_starts(), of_text.value_rowids())
        lost = tf.where(behind > starts, tf.maximum(sizes - made, 0), 0)
        lost = tf.math.unsorted_segment_sum(
            lost, behind - 1, tf.size(places, tf.int64)
        )
        return given.changed(rows, tf.cast(is_more, tf.int64) - lost)

    def _replaced(self, text):
        """Replaces what the rules are about.

        Args:
            text: strings `(count,)`.

        Returns:
            `(parts, units, sizes)`: ragged strings `(count, None)`, the
            graphemes; ragged strings `(graphemes, None)`, what becomes of
            each, or of its characters; and int64 `(units,)`, how many
            characters each of these stands for.
        """
        tensorflow_text = optional.load("tensorflow_text", "The export")
        parts = tensorflow_text.regex_split(
            text, self._grapheme, self._grapheme
        )
        graphemes = parts.flat_values
        cut = characters(graphemes)
        found = tf.fill(tf.shape(graphemes), "")
        for count, table in enumerate(self._tables, 1):
            if table is not None:
                more = table.lookup(join(cut[:, :count]))
                found = tf.where(found == "", more, found)
        is_whole = (found != "") & (tf.strings.length(graphemes) <= LONGEST)
        single = cut
        if self._tables[0] is not None:
            single = look_up(self._tables[0], cut)
        is_single = cut.with_flat_values(
            tf.gather(~is_whole, cut.value_rowids())
        )
        single = tf.ragged.boolean_mask(single, is_single)
        sizes = single.with_flat_values(
            tf.ones_like(single.flat_values, tf.int64)
        )
        units = tf.concat(
            [rows_where(without_mark(found), is_whole), single], axis=1
        )
        sizes = tf.concat(
            [rows_where(cut.row_lengths(), is_whole), sizes], axis=1
        )
        return parts, units, sizes.flat_values


def read_charsmap(charsmap):
    """Reads the rules that SentencePiece has compiled.

    Args:
        charsmap: bytes: a double-array trie with its length before it, and
            the results, each with a NUL behind it.

    Returns:
        A dictionary from strings to strings.

    Reference:
        - [Darts-clone](https://github.com/s-yata/darts-clone)
    """
    size = int.from_bytes(charsmap[:4], "little")
    units = np.frombuffer(charsmap[4 : 4 + size], "<u4").astype("int64")
    results = charsmap[4 + size :]
    # A unit says where its children are, whether a key ends in it, and by
    # which byte its parent leads to it.
    children = (units >> 10) << ((units & 512) >> 6)
    labels = units & (1 << 31 | 255)
    steps = np.arange(1, 256)
    rules, open_nodes = {}, [(b"", children[0])]
    while open_nodes:
        key, place = open_nodes.pop()
        reached = place ^ steps
        inside = reached < len(units)
        fits = inside & (labels[np.where(inside, reached, 0)] == steps)
        for step in steps[fits]:
            node = place ^ step
            longer, below = key + bytes([step]), node ^ children[node]
            if units[node] >> 8 & 1:
                first = units[below] & 0x7FFFFFFF
                result = results[first : results.index(b"\0", first)]
                rules[longer.decode("utf-8")] = result.decode("utf-8")
            open_nodes.append((longer, below))
    return rules


def _marks(single, normalize):
    """Finds the characters that join the one before to a grapheme."""
    # What is lost behind a character that is replaced has joined it.
    changed = (x for x, result in single.items() if result.strip())
    first = next((x for x in changed if len(x.encode()) == 2), None)
    if first is None:
        return r"\p{M}"
    plane = [chr(n) for n in (*range(0x80, 0xD800), *range(0xE000, 0xFFFE))]
    plane.remove(MARK)
    alone = normalize(first)
    together = normalize(MARK.join(first + x for x in plane)).split(MARK)
    left = normalize(MARK.join(plane)).split(MARK)
    found = zip(plane, together, left, strict=True)
    return ranges([x for x, both, own in found if both == alone and own])


def _alone(single, normalize):
    """Finds characters with rules that no mark joins, such as tabs."""
    accent = "\u0301"
    return [
        x
        for x in sorted(single)
        if len((x + accent).encode()) <= LONGEST
        and normalize(x + accent) != single[x]
    ]
