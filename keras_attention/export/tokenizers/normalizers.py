"""The normalizers of a `tokenizer.json` in a graph. It imports TensorFlow."""

import base64
import functools
import json
import re
import unicodedata

import numpy as np
import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.aligned import sizes_of, sums_before
from keras_attention.export.tokenizers.characters import (
    MARK,
    SPACE,
    CharacterRules,
    all_characters,
    characters,
    ranges,
)
from keras_attention.export.tokenizers.charsmap import CharsmapRules

BY_CHARACTER = ("BertNormalizer", "Lowercase", "StripAccents", "Nmt")
UNICODE = ("NFC", "NFD", "NFKC", "NFKD")


def normalizer(description):
    """Makes the operations of a normalizer.

    Args:
        description: dictionary, the `normalizer` of a `tokenizer.json`, or
            None.

    Returns:
        A function from strings `(count,)` to strings `(count,)`, whose
        `aligned` does the same with `Aligned` strings. It is tracked by what
        it is an attribute of.

    Raises:
        ValueError: if there are no operations for it.
    """
    if description is None:
        return Steps([])
    if description["type"] == "Sequence":
        return Steps([normalizer(x) for x in description["normalizers"]])
    return Steps([_step(description)])


def _step(description):
    kind = description["type"]
    if kind in BY_CHARACTER:
        return CharacterRules(asks(description))
    if kind == "Precompiled":
        charsmap = base64.b64decode(description["precompiled_charsmap"])
        return CharsmapRules(charsmap, asks(description))
    if kind in UNICODE:
        return UnicodeForm(kind)
    if kind == "Replace":
        ((pattern_kind, pattern),) = description["pattern"].items()
        if pattern_kind == "String":
            pattern = re.escape(pattern)
        return Replace(pattern, description["content"])
    if kind == "Strip":
        return Strip(description["strip_left"], description["strip_right"])
    raise ValueError(f"its normalizer {kind} has no operations of TensorFlow")


class Steps(tf.Module):
    """Applies one normalizer after the other.

    Attributes:
        without_offsets: string, why it cannot say which characters come from
            where; None where it can.
    """

    def __init__(self, steps):
        super().__init__()
        self._steps = steps
        reasons = [getattr(x, "without_offsets", None) for x in steps]
        self.without_offsets = next(filter(None, reasons), None)

    def __call__(self, text):
        """Normalizes strings `(count,)`."""
        for step in self._steps:
            text = step(text)
        return text

    def aligned(self, given):
        """Normalizes `Aligned` strings."""
        for step in self._steps:
            given = step.aligned(given)
        return given


class Replace:
    """Puts a text in the place of all that matches a pattern.

    Args:
        pattern: string, a regular expression.
        content: string.
    """

    def __init__(self, pattern, content):
        self._pattern, self._content = pattern, content

    def __call__(self, text):
        content = self._content.replace("\\", "\\\\")
        return tf.strings.regex_replace(text, self._pattern, content)

    def aligned(self, given):
        """All that is put in comes from the last character of the match."""
        parts = _text().regex_split(given.text(), self._pattern, self._pattern)
        flat = parts.flat_values
        is_match = tf.strings.regex_full_match(flat, self._pattern)
        found = characters(tf.where(is_match, self._content, flat))
        sizes = sizes_of(flat)
        part = found.value_rowids()
        place = tf.where(
            tf.gather(is_match, part),
            tf.gather(sizes, part) - 1,
            tf.ragged.range(found.row_lengths()).flat_values,
        )
        place += tf.gather(tf.cumsum(sizes, exclusive=True), part)
        rows = parts.with_flat_values(found).merge_dims(1, 2)
        return given.taking(rows, place)


class Strip:
    """Takes white space off the ends.

    Args:
        left, right: booleans.
    """

    def __init__(self, left, right):
        self._left, self._right = left, right

    def __call__(self, text):
        ends = [f"^[{SPACE}]+"] * self._left + [f"[{SPACE}]+$"] * self._right
        return tf.strings.regex_replace(text, "|".join(ends) or "^$", "")

    def aligned(self, given):
        rows = given.characters
        seen = ~tf.strings.regex_full_match(rows.flat_values, f"[{SPACE}]")
        seen = rows.with_flat_values(tf.cast(seen, tf.int64))
        before = sums_before(seen).flat_values + seen.flat_values
        total = tf.gather(tf.reduce_sum(seen, axis=1), seen.value_rowids())
        behind = total - before + seen.flat_values
        kept = ((before > 0) | (not self._left)) & (
            (behind > 0) | (not self._right)
        )
        found = tf.ragged.boolean_mask(rows, rows.with_flat_values(kept))
        return given.taking(found, tf.where(kept)[:, 0])


class UnicodeForm:
    """Brings text into one of Unicode's normalization forms.

    Args:
        kind: `"NFC"`, `"NFD"`, `"NFKC"` or `"NFKD"`.
    """

    def __init__(self, kind):
        self._kind = kind
        self.without_offsets = None
        if kind.endswith("C"):
            self.without_offsets = (
                f"its normalizer {kind} joins characters, of which TensorFlow "
                "does not tell where they come from"
            )

    def __call__(self, text):
        return _text().normalize_utf8(text, self._kind)

    def aligned(self, given):
        """Cuts characters up, and then puts marks into their order.

        What a character is cut into stands for it and is put in behind it,
        in the new order.
        """
        cut = characters(self(given.characters.flat_values))
        rows = given.characters.with_flat_values(cut).merge_dims(1, 2)
        flat = rows.flat_values
        changes = tf.cast(
            tf.ragged.range(cut.row_lengths()).flat_values > 0, tf.int64
        )
        classes = tf.gather(
            tf.constant(_combining_classes()), _code_points(flat)
        )
        group = tf.cumsum(tf.cast(classes == 0, tf.int64))
        group += rows.value_rowids()
        order = tf.argsort(
            group * 256 + tf.cast(classes, tf.int64), stable=True
        )
        found = rows.with_flat_values(tf.gather(flat, order))
        return given.changed(found, tf.gather(changes, order))


@functools.cache
def _combining_classes():
    """Lists the class of each mark, by which marks behind a letter stand."""
    return np.array(
        [unicodedata.combining(chr(n)) for n in range(0x110000)], "uint8"
    )


def _code_points(flat):
    return tf.strings.unicode_decode(flat, "UTF-8").flat_values


def asks(description):
    """Makes a function that asks the library for what a normalizer does."""
    library = optional.load("tokenizers", "A tokenizer.json")
    made = library.Tokenizer(library.models.BPE())
    document = {**json.loads(made.to_str()), "normalizer": description}
    made = library.Tokenizer.from_str(json.dumps(document))
    return made.normalizer.normalize_str


def _text():
    return optional.load("tensorflow_text", "The export")


def members(pattern):
    """Finds the characters that a class of the library's patterns holds.

    Args:
        pattern: string, in the notation of Oniguruma.

    Returns:
        A string, the inside of a class of RE2.
    """
    mark = "\1"
    asked = asks(
        {"type": "Replace", "pattern": {"Regex": pattern}, "content": mark}
    )
    known = all_characters()
    found = asked(MARK.join(known)).split(MARK)
    return ranges(
        [x for x, result in zip(known, found, strict=True) if result == mark]
    )
