"""The embedding of tokens."""

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_integer, check_number
from keras_attention.layers.look_up import check_vectors, look_up
from keras_attention.masks import padding_mask_from_ids
from keras_attention.registry import PACKAGE, Template, copy_initializer
from keras_attention.tensors import check_ids


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
        scale: what vectors are multiplied by: True for `sqrt(hidden_dim)`,
            False or None for nothing, or a number.
        padding_id: the id that stands for no token; None if every id does.
        embedding_dim: integer, a narrower width of the matrix, which is
            projected to `hidden_dim`, and back for logits; None for none.
        num_segments: integer, how many kinds of tokens there are, each with
            a vector that is added (the token types of BERT); None for none.
        logit_bias: whether logits have a bias.
        logit_scale: number that logits are multiplied by, before the bias;
            None for none.
        logit_soft_cap: float; logits are capped smoothly: c tanh(logits / c).
        initializer: of the matrices; normal with deviation
            `hidden_dim ** -0.5` by default.

    Call arguments:
        inputs: integers `(batch, length)`; with `reverse=True` hidden states
            `(batch, length, hidden_dim)` or `(batch, hidden_dim)`.
        reverse: whether to map hidden states to logits.
        segment_ids: integers `(batch, length)`, the kind of each token; by
            default 0. For `num_segments` alone.

    Returns:
        `(batch, length, hidden_dim)`; with `reverse=True` logits
        `(..., vocabulary_size)`.

    Raises:
        ValueError: in eager use, for an id outside the vocabulary.

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
        Models, https://arxiv.org/abs/1608.05859;
        Devlin et al. 2019, BERT (num_segments),
        https://arxiv.org/abs/1810.04805
    """

    takes_more_than_booleans = ("scale",)
    projects_with_bias = False

    def __init__(
        self,
        vocabulary_size,
        hidden_dim,
        *,
        tie_weights=True,
        scale=True,
        padding_id=0,
        embedding_dim=None,
        num_segments=None,
        logit_bias=False,
        logit_scale=None,
        logit_soft_cap=None,
        initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, number in (
            ("vocabulary_size", vocabulary_size),
            ("hidden_dim", hidden_dim),
            ("embedding_dim", 1 if embedding_dim is None else embedding_dim),
            ("num_segments", 1 if num_segments is None else num_segments),
        ):
            check_integer(name, number)
        scale = False if scale is None else scale
        if not isinstance(scale, (bool, np.bool_)):
            scale = check_number("scale", scale)
        if padding_id is not None:
            check_integer("padding_id", padding_id, smallest=0)
        for name, number in (
            ("logit_soft_cap", logit_soft_cap),
            ("logit_scale", logit_scale),
        ):
            if number is not None:
                check_number(name, number)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.tie_weights = tie_weights
        self.scale = scale
        self.padding_id = padding_id
        self.embedding_dim = embedding_dim
        self.num_segments = num_segments
        self.logit_bias = logit_bias
        self.logit_scale = logit_scale
        self.logit_soft_cap = logit_soft_cap
        self.initializer = keras.initializers.get(
            initializer or keras.initializers.RandomNormal(0, hidden_dim**-0.5)
        )

    known_shape = (None, None)

    @property
    def looked_up_dim(self):
        """The width of vectors when kinds and positions are added."""
        return self.hidden_dim

    @property
    def factor(self):
        """What vectors are multiplied by, or None."""
        if isinstance(self.scale, (bool, np.bool_)):
            return self.hidden_dim**0.5 if self.scale else None
        return self.scale

    def build(self, input_shape=None):
        width = self.embedding_dim or self.hidden_dim
        self.embedding = keras.layers.ReversibleEmbedding(
            self.vocabulary_size,
            width,
            tie_weights=self.tie_weights,
            embeddings_initializer=copy_initializer(self.initializer),
            # Left open, Keras multiplies in float32 whatever the policy.
            reverse_dtype=self.compute_dtype,
            name="embedding",
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        self.embedding.build()
        if self.embedding_dim is not None:
            self.input_projection = self._projection(
                "input_projection", width, self.hidden_dim
            )
            self.output_projection = self._projection(
                "output_projection", self.hidden_dim, width
            )
        if self.num_segments is not None:
            self.segments = self.add_weight(
                name="segments",
                shape=(self.num_segments, self.looked_up_dim),
                initializer=copy_initializer(self.initializer),
            )
        if self.logit_bias:
            self.bias = self.add_weight(
                name="logit_bias",
                shape=(self.vocabulary_size,),
                initializer="zeros",
            )

    def _projection(self, name, width, units):
        layer = keras.layers.Dense(
            units,
            use_bias=self.projects_with_bias,
            name=name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        layer.build((None, None, width))
        return layer

    def call(self, inputs, reverse=False, segment_ids=None, training=None):
        if reverse:
            return self._logits(inputs)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype in ("bfloat16", "float16"):
            raise ValueError(
                f"Token ids have become inexact in {dtype}. Pass integers; a "
                'keras.Input for them needs dtype="int32".'
            )
        if not training:
            self.check_ids(inputs)
        if training:
            vectors = look_up(self.embedding, inputs)
        else:
            vectors = self.embedding(inputs)
        vectors = self.widen(vectors)
        if self.factor is not None:
            vectors = vectors * ops.cast(self.factor, vectors.dtype)
        if self.num_segments is not None:
            vectors = vectors + self._segments(segment_ids)
        elif segment_ids is not None:
            raise ValueError(
                "segment_ids need an embedding with num_segments. Received: "
                "num_segments=None"
            )
        return vectors

    def widen(self, vectors):
        """Projects what was looked up to the width of the model."""
        if self.embedding_dim is None:
            return vectors
        return self.input_projection(vectors)

    def _segments(self, segment_ids):
        """The vectors of the kinds of tokens, which broadcast to theirs."""
        if segment_ids is None:
            return self.segments[0]
        segment_ids = ops.convert_to_tensor(segment_ids)
        check_ids("segment_ids", segment_ids, self.num_segments, "num_segments")
        segment_ids = ops.cast(segment_ids, "int32")
        return ops.take(self.segments, segment_ids, axis=0)

    def _logits(self, hidden):
        if self.embedding_dim is not None:
            hidden = self.output_projection(hidden)
        logits = self.embedding(hidden, reverse=True)
        if self.logit_scale is not None:
            logits = logits * ops.cast(self.logit_scale, logits.dtype)
        if self.logit_bias:
            logits = logits + self.bias
        if self.logit_soft_cap is not None:
            cap = ops.cast(self.logit_soft_cap, logits.dtype)
            logits = cap * ops.tanh(logits / cap)
        return logits

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
        vectors = check_vectors(self, vectors)
        if not self.built:
            self.build()
        if self.factor is not None:
            vectors = vectors / self.factor
        self.embedding.embeddings.assign(vectors)

    def padding_mask(self, inputs):
        """Marks the tokens of `(batch, length)` that are not padding."""
        if self.padding_id is None:
            return None
        return padding_mask_from_ids(inputs, self.padding_id)

    def check_ids(self, token_ids):
        """Raises ValueError for a known id outside the vocabulary."""
        check_ids(
            "token_ids", token_ids, self.vocabulary_size, "vocabulary_size"
        )

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "tie_weights": self.tie_weights,
            "scale": self.scale,
            "padding_id": self.padding_id,
            "embedding_dim": self.embedding_dim,
            "num_segments": self.num_segments,
            "logit_bias": self.logit_bias,
            "logit_scale": self.logit_scale,
            "logit_soft_cap": self.logit_soft_cap,
            "initializer": keras.initializers.serialize(self.initializer),
        }
