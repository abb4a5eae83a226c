"""A backbone of KerasHub as an encoder."""

import collections

import keras
from keras import ops

from keras_attention import optional
from keras_attention.models.call_inputs import read
from keras_attention.registry import PACKAGE

_NEEDED = {"token_ids", "padding_mask"}
_KNOWN = {*_NEEDED, "segment_ids"}
_HUB = "keras_hub>"  # before the registered names of its classes

# What tasks ask of an encoder's parts.
TokenEmbedding = collections.namedtuple(
    "TokenEmbedding", ["padding_id", "num_segments"]
)
PositionEmbedding = collections.namedtuple("PositionEmbedding", ["max_length"])


@keras.saving.register_keras_serializable(package=PACKAGE)
class BackboneEncoder(keras.Model):
    """Lets a text backbone of KerasHub serve as the encoder of a model.

    `Classifier(backbone, ...)` wraps a backbone by itself; this class is for
    one whose padding id is not 0, such as that of RoBERTa.

    Args:
        backbone: a functional model with the inputs `token_ids`,
            `padding_mask` and perhaps `segment_ids`, or its configuration. It
            gives vectors `(batch, length, dim)`, or a dictionary with them as
            `sequence_output`.
        padding_id: integer, the id that fills up a batch.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary of the tensors
            here, by name.
        padding_mask: boolean `(batch, length)`; by default where the ids are
            not the padding id.
        segment_ids: integers `(batch, length)`, for a backbone that has them;
            by default 0.
        training: whether to apply dropout.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for a model of other inputs.

    Example:

    ```python
    import keras_hub
    from keras_attention import Classifier
    from keras_attention.models.backbone_encoder import BackboneEncoder

    backbone = keras_hub.models.RobertaBackbone(
        vocabulary_size=100, num_layers=2, num_heads=2, hidden_dim=32,
        intermediate_dim=64,
    )
    model = Classifier(BackboneEncoder(backbone, padding_id=1), 2)
    ```
    """

    def __init__(self, backbone, padding_id=0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(backbone, dict):
            backbone = _deserialize(backbone)
        names = input_names(backbone)
        if not _NEEDED <= names <= _KNOWN:
            raise ValueError(
                "backbone must take token_ids, padding_mask and perhaps "
                "segment_ids, as the text encoders of KerasHub do. Received: "
                f"{type(backbone).__name__} of "
                f"{', '.join(sorted(names)) or 'no named inputs'}"
            )
        self.backbone = backbone
        self.padding_id = padding_id
        self.has_segments = "segment_ids" in names
        self.output_dim = _hidden(backbone.output).shape[-1]
        self.vocabulary_size = getattr(backbone, "vocabulary_size", None)
        self.num_heads = getattr(backbone, "num_heads", None)
        self.built = True

    @property
    def embedding(self):
        """What tasks need to know of the embedding."""
        count = getattr(self.backbone, "num_segments", None)
        return TokenEmbedding(self.padding_id, count)

    @property
    def position(self):
        """What tasks need to know of the positions."""
        limit = getattr(self.backbone, "max_sequence_length", None)
        return PositionEmbedding(limit)

    def padding_mask(self, token_ids):
        """Says where ids are not padding, boolean `(batch, length)`."""
        return ops.not_equal(token_ids, self.padding_id)

    def call(
        self, token_ids, padding_mask=None, segment_ids=None, training=None
    ):
        token_ids, given = read(
            token_ids, padding_mask=padding_mask, segment_ids=segment_ids
        )
        mask = given.get("padding_mask")
        if mask is None:
            mask = self.padding_mask(token_ids)
        inputs = {
            "token_ids": token_ids,
            "padding_mask": ops.cast(mask, "int32"),
        }
        segments = given.get("segment_ids")
        if self.has_segments:
            if segments is None:
                segments = ops.zeros_like(token_ids)
            inputs["segment_ids"] = segments
        elif segments is not None:
            raise ValueError(
                f"{type(self.backbone).__name__} takes no segment_ids."
            )
        return _hidden(self.backbone(inputs, training=training))

    def get_config(self):
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "padding_id": self.padding_id,
        }


def as_encoder(encoder):
    """Wraps a backbone of tokens; returns anything else as it is."""
    if "token_ids" in input_names(encoder):
        return BackboneEncoder(encoder)
    return encoder


def input_names(model):
    """Gives the names of a functional model's inputs, a set."""
    is_functional = isinstance(model, keras.Model) and hasattr(model, "_inputs")
    inputs = model.input if is_functional else None
    return set(inputs) if isinstance(inputs, dict) else set()


def _hidden(outputs):
    return outputs["sequence_output"] if isinstance(outputs, dict) else outputs


def _deserialize(config):
    if str(config.get("registered_name")).startswith(_HUB):
        optional.load("keras_hub", "A model over a backbone of KerasHub")
    return keras.saving.deserialize_keras_object(config)
