"""Vectors of tokens: looking them up, and those learned elsewhere."""

import keras
import numpy as np
from keras import ops


def look_up(embedding, token_ids):
    """Gives the vectors of tokens, for training.

    Args:
        embedding: a built `keras.layers.Embedding`.
        token_ids: integers of any shape.

    Returns:
        `(*token_ids.shape, output_dim)` in the layer's compute dtype.
    """
    if (
        keras.backend.backend() != "tensorflow"
        or embedding.quantization_mode is not None
    ):
        return embedding(token_ids)
    table = _with_dense_gradient(embedding.embeddings)
    vectors = ops.take(table, ops.cast(token_ids, "int32"), axis=0)
    return ops.cast(vectors, embedding.compute_dtype)


def _with_dense_gradient(table):
    """The table itself, whose gradient has one row for each token.

    TensorFlow's own has one for each time a token occurs, and Keras' Adam
    squares those rows before it adds them up.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def same(table):
        return tf.identity(table), tf.convert_to_tensor

    # A variable itself would have to be an argument of the gradient.
    return same(tf.identity(tf.convert_to_tensor(table)))


def check_vectors(embedding, vectors):
    """Refuses vectors that an embedding cannot give as they are.

    Args:
        embedding: a `TokenEmbedding`.
        vectors: array `(vocabulary_size, hidden_dim)`.

    Returns:
        The vectors, a NumPy array.
    """
    if embedding.built and (
        embedding.embedding.quantization_mode
        or embedding.embedding.lora_enabled
    ):
        raise ValueError(
            "An embedding takes vectors before quantize and enable_lora, "
            "not after them."
        )
    vectors = np.asarray(vectors)
    if (
        embedding.embedding_dim is not None
        or embedding.num_segments is not None
    ):
        raise ValueError(
            "An embedding with embedding_dim or num_segments does not give "
            "vectors as they are; it takes none. Received: embedding_dim="
            f"{embedding.embedding_dim}, num_segments={embedding.num_segments}"
        )
    expected = (embedding.vocabulary_size, embedding.hidden_dim)
    if vectors.shape != expected:
        raise ValueError(
            f"vectors must have the shape (vocabulary_size, hidden_dim) = "
            f"{expected}. Received: {vectors.shape}"
        )
    return vectors
