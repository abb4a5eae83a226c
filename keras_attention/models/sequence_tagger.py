"""An encoder with a class for each token."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.layers.dropout import make_dropout
from keras_attention.models.call_inputs import read
from keras_attention.models.class_names import NamesClasses
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class SequenceTagger(NamesClasses, Preset, keras.Model):
    """Maps every token of a text to logits of its classes.

    The vectors of an encoder go through dropout and a projection, as in
    BERT's recognition of named entities.

    Args:
        encoder: a `TransformerEncoder`, or its configuration.
        num_classes: integer.
        dropout: float, for the vectors of the encoder.
        labels: list of strings, the names of the classes in the order of the
            logits; None for none. Those of a published model come with it,
            and are written with it. They may be set anew, as an attribute.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary with
            `token_ids` and any of the tensors below, by name.
        padding_mask, segment_ids, position_ids, attention_mask, global_mask,
            training: see `TransformerEncoder`.

    Returns:
        Logits `(batch, length, num_classes)`, in float32 or float64.

    Raises:
        ValueError: if `encoder` is none, or sizes do not fit.

    Example:

    ```python
    import keras
    from keras_attention import SequenceTagger, TransformerEncoder

    encoder = TransformerEncoder(100, 2, 32, 4, position="learned")
    model = SequenceTagger(encoder, 3, labels=["O", "B-PER", "I-PER"])
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 3)
    ```

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805
    """

    pipeline_tag = "token-classification"

    def __init__(
        self, encoder, num_classes, *, dropout=0.1, labels=None, **kwargs
    ):
        super().__init__(**kwargs)
        if isinstance(encoder, dict):
            encoder = keras.saving.deserialize_keras_object(encoder)
        if not hasattr(encoder, "blocks") or hasattr(encoder, "step"):
            raise ValueError(
                "encoder must be a TransformerEncoder. Received: "
                f"{type(encoder).__name__}"
            )
        check_integer("num_classes", num_classes)
        self.encoder = encoder
        self.num_classes = num_classes
        self.labels = labels
        self.dropout = dropout
        policy = {"dtype": self.dtype_policy}
        self.hidden_dropout = make_dropout(dropout, **policy)
        self.dense = keras.layers.Dense(num_classes, name="logits", **policy)
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        self.dense.build((None, None, self.encoder.output_dim))
        self.built = True

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
        token_ids, given = read(
            token_ids,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            global_mask=global_mask,
        )
        x = self.encoder(token_ids, training=training, **given)
        x = self.dense(self.hidden_dropout(x, training=training))
        dtype = keras.backend.standardize_dtype(x.dtype)
        return ops.cast(x, at_least_float32(dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_classes": self.num_classes,
            "dropout": self.dropout,
            "labels": self.labels,
        }
