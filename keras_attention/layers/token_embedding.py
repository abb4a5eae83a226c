"""The embedding of tokens."""

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_integer, check_number
from keras_attention.masks import padding_mask_from_ids
from keras_attention.registry import PACKAGE, Template, copy_initializer


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
        logit_soft_cap: float; logits are capped smoothly: c tanh(logits / c).
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

    Example:

    ```python
    import keras
    from keras_attention import TokenEmbedding

    layer = TokenEmbedding(vocabulary_size=100, hidden_dim=32)
    token_ids = keras.random.randint((2, 50), 1, 100)
    hidden = layer(token_ids)
    hidden.shape  # (2, 50, 32)
    layer(hidden, reverse=True).shape  # (2, 50, 100)
    ```

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


def check_ids(name, token_ids, vocabulary_size):
    """Refuses what are no ids of a vocabulary, where their values are known.

    Left to themselves the backends answer with an internal error, a clamped
    id, or NaN, and cut off fractions.

    Args:
        name: what the ids are called in the error message.
        token_ids: integers of any shape; of a float dtype they will do too.
        vocabulary_size: integer.

    Raises:
        ValueError: for an id outside the vocabulary, or one with a fraction.
    """
    token_ids = _concrete(token_ids)
    if token_ids is None or token_ids.size == 0:
        return
    if token_ids.dtype.kind not in "iub":
        wrong = token_ids[token_ids != np.floor(token_ids)]
        if wrong.size:
            raise ValueError(
                f"{name} must be integers. Received: {wrong.flat[0]}"
            )
    low, high = token_ids.min(), token_ids.max()
    if low < 0 or high >= vocabulary_size:
        raise ValueError(
            f"{name} must lie in [0, vocabulary_size={vocabulary_size}). "
            f"Received ids from {low} to {high}."
        )


def _concrete(tensor):
    """The values of an eager tensor as NumPy; None while tracing."""
    if isinstance(tensor, keras.KerasTensor):
        return None
    if keras.backend.backend() == "jax":
        import jax

        traced = isinstance(tensor, jax.core.Tracer)
    elif keras.backend.backend() == "tensorflow":
        traced = not hasattr(tensor, "numpy")
    else:
        traced = tensor.device.type == "meta"
    return None if traced else np.asarray(ops.convert_to_numpy(tensor))
