"""The normalizers of a `tokenizer.json` in a graph. It imports TensorFlow."""

import base64
import json
import re

import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.characters import (
    MARK,
    SPACE,
    CharacterRules,
    all_characters,
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
        A function from strings `(count,)` to strings `(count,)`, which is
        tracked by what it is an attribute of.

    Raises:
        ValueError: if there are no operations for it.
    """
    if description is None:
        return Steps([])
    kind = description["type"]
    if kind == "Sequence":
        return Steps([normalizer(x) for x in description["normalizers"]])
    if kind in BY_CHARACTER:
        return CharacterRules(asks(description))
    if kind == "Precompiled":
        charsmap = base64.b64decode(description["precompiled_charsmap"])
        return CharsmapRules(charsmap, asks(description))
    if kind in UNICODE:
        return lambda text: _text().normalize_utf8(text, kind)
    if kind == "Replace":
        ((pattern_kind, pattern),) = description["pattern"].items()
        if pattern_kind == "String":
            pattern = re.escape(pattern)
        content = description["content"].replace("\\", "\\\\")
        return lambda text: tf.strings.regex_replace(text, pattern, content)
    if kind == "Strip":
        ends = [f"^[{SPACE}]+"] * description["strip_left"]
        ends += [f"[{SPACE}]+$"] * description["strip_right"]
        pattern = "|".join(ends) or "^$"
        return lambda text: tf.strings.regex_replace(text, pattern, "")
    raise ValueError(f"its normalizer {kind} has no operations of TensorFlow")


class Steps(tf.Module):
    """Applies one normalizer after the other."""

    def __init__(self, steps):
        super().__init__()
        self._steps = steps

    def __call__(self, text):
        """Normalizes strings `(count,)`."""
        for step in self._steps:
            text = step(text)
        return text


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
