"""SentencePiece in a graph. It imports TensorFlow."""

import hashlib

import tensorflow as tf

from keras_attention import optional


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
