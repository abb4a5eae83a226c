"""An encoder with a class for each whole input."""

import operator

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.layers import pooling as poolings
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.feed_forward import (
    describe_activation,
    find_activation,
)
from keras_attention.masks import as_mask, output_mask
from keras_attention.models import least_weights
from keras_attention.models.backbone_encoder import as_encoder
from keras_attention.models.call_inputs import read
from keras_attention.models.class_names import NamesClasses
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE, describe
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class Classifier(NamesClasses, Preset, keras.Model):
    """Maps a text, or an image, to logits of its classes.

    The vectors of an encoder are pooled to one, which goes through dropout
    and a projection; with `hidden_dim` through a layer with an activation
    before, as in BERT.

    Args:
        encoder: a `TransformerEncoder`, `RecurrentEncoder`,
            `ConvolutionalEncoder`, `ImageConvolutionEncoder`, or its
            configuration; or a text backbone of KerasHub (see
            `BackboneEncoder`).
        num_classes: integer; 1 for one number, as in a regression or a score
            of relevance.
        pooling: `"mean"`, `"max"`, `"first"`, `"last"` or `"ends"` (see
            `SequencePooling`), `"attention"` (`AttentionPooling`, with the
            heads of the encoder), the name of another flavour, whose query is
            then learned (`QueryPooling`), a configuration, or a template.
        hidden_dim: integer, width of a layer between pooling and logits; None
            for none.
        activation: activation of that layer, as of `FeedForward`.
        distillation: whether a second projection maps the vector of a
            distillation token (see `PatchEmbedding`), and logits are the mean
            of both (Touvron et al. 2021).
        dropout: float, for the pooled vector.
        labels: list of strings, the names of the classes in the order of the
            logits; None for none. Those of a published model come with it,
            and are written with it. They may be set anew, as an attribute.

    Call arguments:
        token_ids: integers `(batch, length)`, or what else the encoder takes
            (images, vectors); or a dictionary with `token_ids` and optionally
            `padding_mask`.
        padding_mask: boolean `(batch, length)`; by default where the ids are
            not the padding id.
        segment_ids, position_ids, attention_mask, global_mask: see
            `TransformerEncoder`, for such an encoder.
        training: whether to apply dropout.

    Returns:
        Logits `(batch, num_classes)`, in float32 or float64.

    Raises:
        ValueError: if sizes do not fit or the pooling is unknown.

    Example:

    ```python
    import keras
    from keras_attention import Classifier, TransformerEncoder

    encoder = TransformerEncoder(100, 2, 32, 4, position="rotary")
    model = Classifier(encoder, num_classes=6, pooling="attention")
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 6)
    ```

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805;
        Touvron et al. 2021, DeiT, https://arxiv.org/abs/2012.12877
    """

    def __init__(
        self,
        encoder,
        num_classes,
        *,
        pooling="mean",
        hidden_dim=None,
        activation="tanh",
        distillation=False,
        dropout=0.1,
        labels=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(encoder, dict):
            encoder = keras.saving.deserialize_keras_object(encoder)
        encoder = as_encoder(encoder)
        check_integer("num_classes", num_classes)
        if hidden_dim is not None:
            check_integer("hidden_dim", hidden_dim)
        for name in ("output_dim", "padding_mask"):
            if not hasattr(encoder, name):
                raise ValueError(
                    "encoder must be one of the encoders of keras_attention, "
                    f"or have a {name} as they have. Received: {encoder!r}"
                )
        self.encoder = encoder
        self.num_classes = num_classes
        self.labels = labels
        self.hidden_dim = hidden_dim
        self.activation = activation
        self._activate, is_gated = find_activation(activation)
        if is_gated:
            raise ValueError(
                "activation must be one of a single projection. Received: "
                f"{activation!r}, a gated form"
            )
        self.dropout = dropout
        self._pooling = describe(pooling)
        policy = {"dtype": self.dtype_policy}
        self.pooling = poolings.get(
            pooling,
            num_heads=getattr(encoder, "num_heads", None),
            name="pooling",
            **policy,
        )
        mode = getattr(self.pooling, "mode", None)
        if mode == "ends" and not getattr(encoder, "bidirectional", True):
            raise ValueError(
                'pooling="ends" takes the first token from the direction that '
                "reads backwards. The encoder has bidirectional=False; "
                'pool with "last".'
            )
        self.hidden = None
        if hidden_dim is not None:
            self.hidden = keras.layers.Dense(
                hidden_dim, name="hidden", **policy
            )
        self.pooled_dropout = make_dropout(dropout, **policy)
        self.dense = keras.layers.Dense(num_classes, name="logits", **policy)
        self.distillation = distillation
        if distillation:
            embedding = getattr(encoder, "embedding", None)
            if not getattr(embedding, "distillation_token", False):
                raise ValueError(
                    "distillation=True needs an encoder whose PatchEmbedding "
                    "has distillation_token=True. Received: "
                    f"{type(embedding).__name__} without one"
                )
            self.distillation_dense = keras.layers.Dense(
                num_classes, name="distillation_logits", **policy
            )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        shape = (None, None, self.encoder.output_dim)
        widths = [shape[-1], self.hidden_dim, self.num_classes]
        widths = [width for width in widths if width is not None]
        counts = {
            "pooling": least_weights.of_layer(self.pooling, shape[-1]),
            "logits": sum(map(operator.mul, widths, widths[1:])),
        }
        least_weights.check_weights(self, counts, "num_classes", "hidden_dim")
        self.pooling.build(shape)
        dim = self._pooled_dim(shape)
        if self.hidden is not None:
            self.hidden.build((None, dim))
            dim = self.hidden_dim
        self.dense.build((None, dim))
        if self.distillation:
            self.distillation_dense.build((None, shape[-1]))

    def _pooled_dim(self, shape):
        """Width of the pooled vector, of all queries where there are more."""
        number = getattr(self.pooling, "num_queries", 1)
        dim = getattr(self.pooling, "query_dim", None) or shape[-1]
        return dim * number

    def call(
        self,
        token_ids,
        padding_mask=None,
        segment_ids=None,
        position_ids=None,
        attention_mask=None,
        global_mask=None,
        training=None,
    ):
        # An encoder of another kind than a Transformer knows the mask alone.
        token_ids, given = read(
            token_ids,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            global_mask=global_mask,
        )
        padding_mask = given.pop("padding_mask", None)
        if padding_mask is None:
            padding_mask = self.encoder.padding_mask(token_ids)
        padding_mask = as_mask("padding_mask", padding_mask)
        masks = {} if padding_mask is None else {"padding_mask": padding_mask}
        x = self.encoder(token_ids, training=training, **masks, **given)
        if masks:
            masks = {"padding_mask": output_mask(self.encoder, padding_mask)}
        if isinstance(x, dict):  # of a recurrent encoder
            x = x["hidden"]
        second = x[:, 1] if self.distillation else None
        x = self._pool(x, masks, training)
        if self.hidden is not None:
            x = self._activate(self.hidden(x))
        x = self.dense(self.pooled_dropout(x, training=training))
        if second is not None:
            second = self.pooled_dropout(second, training=training)
            x = (x + self.distillation_dense(second)) / 2
        dtype = keras.backend.standardize_dtype(x.dtype)
        return ops.cast(x, at_least_float32(dtype))

    def _pool(self, x, masks, training):
        if isinstance(self.pooling, poolings.SequencePooling):
            return self.pooling(x, **masks)
        x = self.pooling(x, training=training, **masks)
        if len(x.shape) == 3:  # a vector for each query
            x = ops.reshape(x, (-1, x.shape[1] * x.shape[2]))
        return x

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_classes": self.num_classes,
            "pooling": self._pooling,
            "hidden_dim": self.hidden_dim,
            "activation": describe_activation(self.activation),
            "distillation": self.distillation,
            "dropout": self.dropout,
            "labels": self.labels,
        }
