"""What turns the input of a model into vectors."""

import keras
import numpy as np
from keras import ops

# Keras has no public way to tell whether it is saving a file.
from keras.src.backend.common.global_state import get_global_attribute

from keras_attention.checks import check_integer, check_number
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.layers.token_ids import check_ids
from keras_attention.masks import implicit_mask, padding_mask_from_ids
from keras_attention.registry import (
    PACKAGE,
    Template,
    copy_initializer,
    describe_whole,
    resolve,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenEmbedding(Template, keras.layers.Layer):
    """Looks up a learned vector for every token, and maps back to logits.

    Vectors start with variance `1 / hidden_dim` and are multiplied by
    `sqrt(hidden_dim)`: so they match the size of sinusoids on the way in, and
    tied logits start with variance one on the way out.

    Args:
        vocabulary_size: integer, number of tokens.
        hidden_dim: integer, width of the vectors.
        tie_weights: whether logits use the same matrix, transposed, instead
            of one of their own.
        scale: whether vectors are multiplied by `sqrt(hidden_dim)`.
        padding_id: the id that stands for no token; None if every id does.
        logit_soft_cap: float; logits are bent to stay within it.
        initializer: of the matrix; normal with deviation
            `hidden_dim ** -0.5` by default.

    Call arguments:
        inputs: integers `(batch, length)`; with `reverse=True` hidden states
            `(batch, length, hidden_dim)` or `(batch, hidden_dim)`.
        reverse: whether to map hidden states to logits.

    Returns:
        `(batch, length, hidden_dim)`; with `reverse=True` logits
        `(..., vocabulary_size)`.

    Raises:
        ValueError: in eager use, if an id lies outside the vocabulary.

    Reference:
        Press, Wolf 2017, Using the Output Embedding to Improve Language
        Models, https://arxiv.org/abs/1608.05859
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim,
        *,
        tie_weights=True,
        scale=True,
        padding_id=0,
        logit_soft_cap=None,
        initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, number in (
            ("vocabulary_size", vocabulary_size),
            ("hidden_dim", hidden_dim),
        ):
            check_integer(name, number)
        if padding_id is not None:
            check_integer("padding_id", padding_id, smallest=0)
        if logit_soft_cap is not None:
            logit_soft_cap = check_number("logit_soft_cap", logit_soft_cap)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.tie_weights = tie_weights
        self.scale = scale
        self.padding_id = padding_id
        self.logit_soft_cap = logit_soft_cap
        self.initializer = keras.initializers.get(
            initializer or keras.initializers.RandomNormal(0, hidden_dim**-0.5)
        )

    known_shape = (None, None)

    def build(self, input_shape=None):
        self.embedding = keras.layers.ReversibleEmbedding(
            self.vocabulary_size,
            self.hidden_dim,
            tie_weights=self.tie_weights,
            embeddings_initializer=copy_initializer(self.initializer),
            logit_soft_cap=self.logit_soft_cap,
            # Left open, Keras multiplies in float32 whatever the policy.
            reverse_dtype=self.compute_dtype,
            name="embedding",
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        self.embedding.build()

    def call(self, inputs, reverse=False, training=None):
        if reverse:
            return self.embedding(inputs, reverse=True)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype in ("bfloat16", "float16"):
            raise ValueError(
                f"Token ids have become inexact in {dtype}. Pass integers; a "
                'keras.Input for them needs dtype="int32".'
            )
        if not training:
            self.check_ids(inputs)
        vectors = self._look_up(inputs, training)
        if self.scale:
            vectors = vectors * ops.cast(self.hidden_dim**0.5, vectors.dtype)
        return vectors

    def _look_up(self, token_ids, training):
        if (
            not training
            or keras.backend.backend() != "tensorflow"
            or self.embedding.quantization_mode is not None
        ):
            return self.embedding(token_ids)
        table = _with_dense_gradient(self.embedding.embeddings)
        vectors = ops.take(table, ops.cast(token_ids, "int32"), axis=0)
        return ops.cast(vectors, self.compute_dtype)

    def assign_vectors(self, vectors):
        """Gives the tokens vectors that were learned elsewhere.

        They come out of the layer as they are given, also where it scales,
        and tied logits use them too. With `trainable = False` they stay as
        they are, the "static" vectors of Kim 2014
        (https://arxiv.org/abs/1408.5882).

        Args:
            vectors: array of shape `(vocabulary_size, hidden_dim)`, such as
                the table of `keras_attention.data.WordVectors`.

        Raises:
            ValueError: if `vectors` has another shape, or the layer is
                quantized or adapted by LoRA.
        """
        if self.built and (
            self.embedding.quantization_mode or self.embedding.lora_enabled
        ):
            raise ValueError(
                "An embedding takes vectors before quantize and enable_lora, "
                "not after them."
            )
        vectors = np.asarray(vectors)
        expected = (self.vocabulary_size, self.hidden_dim)
        if vectors.shape != expected:
            raise ValueError(
                f"vectors must have the shape (vocabulary_size, hidden_dim) = "
                f"{expected}. Received: {vectors.shape}"
            )
        if not self.built:
            self.build()
        if self.scale:
            vectors = vectors / self.hidden_dim**0.5
        self.embedding.embeddings.assign(vectors)

    def padding_mask(self, inputs):
        """Marks the tokens of `(batch, length)` that are not padding."""
        if self.padding_id is None:
            return None
        return padding_mask_from_ids(inputs, self.padding_id)

    def check_ids(self, token_ids):
        """Refuses ids outside the vocabulary, where their values are known.

        Args:
            token_ids: integers of any shape.

        Raises:
            ValueError: for an id outside the vocabulary.
        """
        check_ids("token_ids", token_ids, self.vocabulary_size)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "tie_weights": self.tie_weights,
            "scale": self.scale,
            "padding_id": self.padding_id,
            "logit_soft_cap": self.logit_soft_cap,
            "initializer": keras.initializers.serialize(self.initializer),
        }


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
    "patches": PatchEmbedding,
    "tokens": TokenEmbedding,
    "vectors": VectorEmbedding,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt embedding.

    Args:
        name_config_or_layer: `"tokens"`, `"vectors"`, `"patches"`, a
            configuration, or a layer that serves as the template.
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
