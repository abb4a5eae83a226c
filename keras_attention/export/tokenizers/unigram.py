"""Unigram models in a graph. It imports TensorFlow."""

import tensorflow as tf

from keras_attention import optional
from keras_attention.data.tokenizers.spm_file import write_unigram
from keras_attention.export.tokenizers.aligned import (
    first_of_rows,
    in_characters,
    moved,
    sizes_of,
    sums_before,
    without_prefix,
)
from keras_attention.export.tokenizers.characters import SPACE, rows_where
from keras_attention.export.tokenizers.sentencepiece import sentencepiece

SPACES = {"always": True, "never": False}


class UnigramGraph(tf.Module):
    """Cuts normalized text at spaces and each part into pieces.

    The pieces become a SentencePiece model that takes its text as it is.

    Args:
        document: dictionary, what a `tokenizer.json` of a Unigram model
            holds.

    Raises:
        ValueError: if it cuts text in a way that has no operations.
    """

    without_offsets = None

    def __init__(self, document):
        super().__init__()
        model, cut = document["model"], document.get("pre_tokenizer") or {}
        steps = cut.get("pretokenizers", [cut])
        kinds = [step.get("type") for step in steps]
        if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
            raise ValueError(
                f"its pre_tokenizer {kinds} has no operations of TensorFlow "
                "beside Unigram"
            )
        if model.get("byte_fallback") or model.get("unk_id") is None:
            raise ValueError(
                "its Unigram model has bytes for what is unknown, or nothing, "
                "for which TensorFlow has no operation"
            )
        metaspace = steps[-1]
        if metaspace.get("prepend_scheme", "always") not in SPACES:
            raise ValueError(
                "its pre_tokenizer treats the first word by itself, for which "
                "TensorFlow has no operation"
            )
        self._by_word = len(steps) == 2
        self._adds_space = SPACES[metaspace.get("prepend_scheme", "always")]
        self._splits = metaspace.get("split", True)
        self._space = metaspace["replacement"]
        proto = write_unigram(model["vocab"], model["unk_id"])
        self._pieces = sentencepiece(proto)

    def __call__(self, text):
        """Cuts strings into pieces, as `WordPieceGraph` does."""
        words, starts = self._words(text)
        flat, space = words.flat_values, self._space
        flat = tf.strings.regex_replace(flat, " ", space)
        has_prefix = tf.zeros_like(flat, tf.bool)
        if self._adds_space:
            has_prefix = ~tf.strings.regex_full_match(flat, f"(?s){space}.*")
            flat = tf.where(has_prefix, tf.strings.join([space, flat]), flat)
        found, *spans, begins = self._cut(flat)
        spans = moved(without_prefix(spans, has_prefix), starts)
        return [
            words.with_flat_values(x).merge_dims(1, 2)
            for x in (found, *spans, begins)
        ]

    def _words(self, text):
        """Gives ragged words, and where each begins, int64 `(words,)`."""
        if not self._by_word:
            words = rows_where(text, text != "")
            return words, tf.zeros_like(words.flat_values, tf.int64)
        split = _text().regex_split_with_offsets
        words, *spans = split(text, f"[{SPACE}]+")
        starts, _ = in_characters(text, *spans)
        return words, starts.flat_values

    def _cut(self, words):
        """Gives ids of words `(count,)`, places, and which begin a part."""
        if not self._splits:
            found, *spans = self._pieces.tokenize_with_offsets(words)
            spans = in_characters(words, *spans)
            return found, *spans, first_of_rows(found)
        space = self._space
        parts = _text().regex_split(
            words, f"(?s){space}?[^{space}]+|{space}", "(?s).*"
        )
        flat = parts.flat_values
        found, *spans = self._pieces.tokenize_with_offsets(flat)
        starts = sums_before(parts.with_flat_values(sizes_of(flat)))
        spans = moved(in_characters(flat, *spans), starts.flat_values)
        return [
            parts.with_flat_values(x).merge_dims(1, 2)
            for x in (found, *spans, first_of_rows(found))
        ]


def _text():
    return optional.load("tensorflow_text", "The export")
