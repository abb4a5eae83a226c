"""An encoder that predicts the tokens which were masked."""

import keras
from keras import ops

from keras_attention.attention.core import normalization as normalizations
from keras_attention.layers.feed_forward import (
    describe_activation,
    find_activation,
)
from keras_attention.models.call_inputs import read
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE, describe


@keras.saving.register_keras_serializable(package=PACKAGE)
class MaskedLM(Preset, keras.Model):
    """Predicts the token at every position of a text, or at chosen ones.

    The vectors of an encoder go through a projection, an activation and a
    normalization, and are compared with the vectors of the tokens.

    Args:
        encoder: a `TransformerEncoder` of tokens, or its configuration.
        activation: activation behind the projection, as of `FeedForward`.
        normalization: normalization behind the activation: name,
            configuration or template; None for none.
        use_bias: whether each token has a bias in its logit.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary with
            `token_ids` and any of the tensors below, by name.
        mask_positions: integers `(batch, count)`, the places whose tokens are
            predicted; all by default.
        padding_mask, segment_ids, position_ids, attention_mask, global_mask,
            training: see `TransformerEncoder`.

    Returns:
        Logits `(batch, length or count, vocabulary_size)`.

    Raises:
        ValueError: if the encoder has no tokens, or a part is unknown.

    Example:

    ```python
    import keras
    from keras_attention import MaskedLM, TransformerEncoder

    model = MaskedLM(TransformerEncoder(100, 2, 32, 4, position="learned"))
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    token_ids = keras.random.randint((2, 50), 1, 100)
    model(token_ids).shape  # (2, 50, 100)
    places = keras.ops.array([[3, 7], [0, 9]])
    masked = {"token_ids": token_ids, "mask_positions": places}
    model(masked).shape  # (2, 2, 100)
    ```

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805
    """

    pipeline_tag = "fill-mask"

    def __init__(
        self,
        encoder,
        *,
        activation="gelu",
        normalization="layer_norm",
        use_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(encoder, dict):
            encoder = keras.saving.deserialize_keras_object(encoder)
        if not hasattr(getattr(encoder, "embedding", None), "tie_weights"):
            raise ValueError(
                "encoder must be a TransformerEncoder with an embedding of "
                f"tokens. Received: {type(encoder).__name__}"
            )
        self.encoder = encoder
        self.activation = activation
        self.use_bias = use_bias
        self._normalization = describe(normalization)
        self._activate, is_gated = find_activation(activation)
        if is_gated:
            raise ValueError(
                "activation must be one of a single projection. Received: "
                f"{activation!r}, a gated form"
            )
        policy = {"dtype": self.dtype_policy}
        self.transform = keras.layers.Dense(
            encoder.output_dim, name="transform", **policy
        )
        self.norm = None
        if normalization is not None:
            self.norm = normalizations.get(
                normalization, name="transform_norm", **policy
            )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        shape = (None, None, self.encoder.output_dim)
        self.transform.build(shape)
        if self.norm is not None:
            self.norm.build(shape)
        if self.use_bias:
            self.bias = self.add_weight(
                name="logit_bias",
                shape=(self.vocabulary_size,),
                initializer="zeros",
            )
        self.built = True

    @property
    def vocabulary_size(self):
        """Number of tokens."""
        return self.encoder.vocabulary_size

    def call(
        self,
        token_ids,
        mask_positions=None,
        padding_mask=None,
        segment_ids=None,
        position_ids=None,
        attention_mask=None,
        global_mask=None,
        training=None,
    ):
        token_ids, given = read(
            token_ids,
            mask_positions=mask_positions,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            global_mask=global_mask,
        )
        mask_positions = given.pop("mask_positions", None)
        hidden = self.encoder(token_ids, training=training, **given)
        if mask_positions is not None:
            places = ops.cast(ops.convert_to_tensor(mask_positions), "int32")
            hidden = ops.take_along_axis(hidden, places[..., None], axis=1)
        hidden = self._activate(self.transform(hidden))
        if self.norm is not None:
            hidden = self.norm(hidden)
        logits = self.encoder.embedding(hidden, reverse=True)
        return logits + self.bias if self.use_bias else logits

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "activation": describe_activation(self.activation),
            "normalization": self._normalization,
            "use_bias": self.use_bias,
        }
