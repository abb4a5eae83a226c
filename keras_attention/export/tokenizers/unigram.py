"""Unigram models in a graph. It imports TensorFlow."""

import tensorflow as tf

from keras_attention import optional
from keras_attention.data.tokenizers.spm_file import write_unigram
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
        """Gives ragged int32 ids `(count, None)` of strings `(count,)`."""
        split = optional.load("tensorflow_text", "The export").regex_split
        words = rows_where(text, text != "")
        if self._by_word:
            words = split(text, f"[{SPACE}]+")
        flat, space = words.flat_values, self._space
        flat = tf.strings.regex_replace(flat, " ", space)
        if self._adds_space:
            flat = tf.strings.regex_replace(
                flat, f"^([^{space}])", rf"{space}\1"
            )
        if not self._splits:
            found = self._pieces.tokenize(flat)
            return words.with_flat_values(found).merge_dims(1, 2)
        parts = split(flat, f"(?s){space}?[^{space}]+|{space}", "(?s).*")
        found = parts.with_flat_values(self._pieces.tokenize(parts.flat_values))
        found = words.with_flat_values(found.merge_dims(1, 2))
        return found.merge_dims(1, 2)
