"""Embeddings: token ids, or vectors, to vectors of the model's width."""

import keras

# Keras has no public way to tell whether it is saving a file.
from keras.src.backend.common.global_state import get_global_attribute

from keras_attention.checks import check_integer
from keras_attention.layers.audio import AudioEmbedding
from keras_attention.layers.factorized_embedding import FactorizedEmbedding
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.masks import implicit_mask
from keras_attention.registry import (
    PACKAGE,
    Template,
    describe_whole,
    resolve,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class VectorEmbedding(Template, keras.layers.Layer):
    """Projects vectors of the caller's own to the width of the model.

    Args:
        hidden_dim: integer, width of the model.
        dim: integer, width of the vectors; found at the first call by
            default.

    Call arguments:
        inputs: `(batch, length, dim)`.

    Returns:
        `(batch, length, hidden_dim)`.

    Example:

    ```python
    import keras
    from keras_attention import TransformerEncoder, VectorEmbedding

    # 50 frames of 13 numbers each, in place of tokens.
    encoder = TransformerEncoder(
        None, 2, 32, 4, embedding=VectorEmbedding(hidden_dim=32)
    )
    encoder(keras.random.normal((2, 50, 13))).shape  # (2, 50, 32)
    ```
    """

    def __init__(self, hidden_dim, dim=None, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        check_integer("hidden_dim", hidden_dim)
        if dim is not None:
            check_integer("dim", dim)
        self.hidden_dim = hidden_dim
        self.dim = dim

    @property
    def known_shape(self):
        """The shape to build with before any call; None where unknown."""
        return None if self.dim is None else (None, None, self.dim)

    def build(self, input_shape):
        # Kept, so that a model made from the configuration has its weights
        # before the first call, when files are read.
        self.dim = input_shape[-1]
        self.dense = keras.layers.Dense(
            self.hidden_dim,
            name="projection",
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        self.dense.build(input_shape)

    def call(self, inputs, training=None):
        return self.dense(inputs)

    def padding_mask(self, inputs):
        """The implicit Keras mask of the vectors, or None."""
        return implicit_mask(inputs)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "dim": self.dim,
        }


_CLASSES = {
    "audio": AudioEmbedding,
    "factorized": FactorizedEmbedding,
    "patches": PatchEmbedding,
    "tokens": TokenEmbedding,
    "vectors": VectorEmbedding,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt embedding.

    Args:
        name_config_or_layer: `"tokens"`, `"factorized"`, `"vectors"`,
            `"patches"`, `"audio"`, a configuration, or a layer that serves as
            the template.
        **defaults: constructor arguments for what is left open.

    Returns:
        A layer with a method `padding_mask(inputs)`. While Keras loads a
        file, one configuration that stands in two models is one layer, as it
        was when the file was saved.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name_config_or_layer, dict) and (
        "shared_object_id" in name_config_or_layer
    ):
        return keras.saving.deserialize_keras_object(name_config_or_layer)
    return resolve(name_config_or_layer, _CLASSES, "embedding", defaults)


def describe_shared(embedding):
    """Describes an embedding that several models may hold as one layer.

    Args:
        embedding: a layer.

    Returns:
        A dictionary as of `registry.describe_whole`. While Keras saves a
        file, it tells which layer this is, for `get` to make one of it again.
    """
    description = describe_whole(embedding)
    # Keras marks by itself only the second that it meets: it has copied the
    # first by then.
    if get_global_attribute("shared_objects/id_to_config_map") is not None:
        description["shared_object_id"] = id(embedding)
    return description
