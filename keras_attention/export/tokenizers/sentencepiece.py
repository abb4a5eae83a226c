"""SentencePiece in a graph. It imports TensorFlow."""

import hashlib

import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.aligned import in_characters


def sentencepiece(proto, out_type=tf.int32):
    """Makes the operations of a SentencePiece model.

    Args:
        proto: bytes, the serialized model.
        out_type: `tf.int32` for ids, `tf.string` for pieces.
    """
    tensorflow_text = optional.load("tensorflow_text", "The export")
    # Resources of one name become one when the SavedModel is loaded: without
    # names of their own, source and target would share a tokenizer.
    mark = hashlib.sha256(proto).hexdigest()[:16]
    return tensorflow_text.SentencepieceTokenizer(
        proto, out_type=out_type, name=f"sentencepiece_{mark}"
    )


class SentencePieceGraph(tf.Module):
    """The operations of a `SentencePieceTokenizer`.

    Args:
        proto: bytes, the serialized model.
    """

    without_offsets = None

    def __init__(self, proto):
        super().__init__()
        self._pieces = sentencepiece(proto)

    def tokenize(self, text):
        """Gives ragged int32 ids `(batch, None)` of strings `(batch,)`."""
        return self._pieces.tokenize(text)

    def tokenize_with_offsets(self, text):
        """Gives ids and where they begin and end, as `Sections` does."""
        ids, *spans = self._pieces.tokenize_with_offsets(text)
        return ids, *in_characters(text, *spans)

    def detokenize(self, ids):
        """Gives strings `(batch,)` of ragged ids."""
        return self._pieces.detokenize(ids)
