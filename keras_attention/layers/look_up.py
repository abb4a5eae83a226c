"""Looking up the vectors of tokens."""

import keras
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
