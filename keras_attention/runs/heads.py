"""Heads for the classes of the data, over the encoder of a preset."""

import re
import sys

from keras import ops

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    MaskedLM,
    RecurrentEncoder,
    SequenceTagger,
    SpanPredictor,
    TransformerEncoder,
)
from keras_attention.runs.checks import UsageError
from keras_attention.zoo.core.labels import renamed

_OVER_ENCODERS = Classifier, MaskedLM, SequenceTagger, SpanPredictor
_ENCODERS = TransformerEncoder, RecurrentEncoder, ConvolutionalEncoder
_NAMED = 5  # classes that a note lists
_NO_NAME = re.compile(r"LABEL_\d+")  # what transformers calls them


def with_head(model, labels, pooling):
    """Makes a classifier of the classes of the data.

    A classifier of the same classes keeps its head, with the logits in their
    order; one of as many others keeps it under their names. Any other model
    gives its encoder, under a fresh head.

    Args:
        model: a model with an encoder of text, or such an encoder.
        labels: list of strings, the classes.
        pooling: as of `Classifier`; `"auto"` for that of the model, or the
            mean.

    Returns:
        A `Classifier`.

    Raises:
        UsageError: for a model without an encoder of text.
    """
    encoder = model.encoder if isinstance(model, _OVER_ENCODERS) else model
    if not isinstance(encoder, _ENCODERS) or encoder.vocabulary_size is None:
        raise UsageError(
            "--preset must hold an encoder of text, to classify by. It holds "
            f"a {type(model).__name__}."
        )
    if not isinstance(model, Classifier) or pooling != "auto":
        pooling = "mean" if pooling == "auto" else pooling
        return Classifier(encoder, len(labels), pooling=pooling, labels=labels)
    known = model.labels or []
    if sorted(known) == sorted(labels):
        return _in_order(model, [known.index(label) for label in labels])
    if model.num_classes != len(labels):
        _tell(known, "are others: the head is drawn anew")
        return _with_fresh_head(model, labels)
    if not all(map(_NO_NAME.fullmatch, known)):
        _tell(known, f"become {_listing(labels)}")
    return _named(model, labels)


def _with_fresh_head(model, labels):
    """The same classifier with other classes."""
    config = {
        **model.get_config(),
        "encoder": model.encoder,
        "num_classes": len(labels),
        "labels": labels,
        "published": None,
    }
    made = Classifier.from_config(config)
    made.pooling.set_weights(model.pooling.get_weights())
    if model.hidden is not None:
        made.hidden.set_weights(model.hidden.get_weights())
    made.published = model.published
    return _named(made, labels)


def _in_order(model, order):
    """The classifier with its logits in another order."""
    heads = [model.dense]
    if model.distillation:
        heads.append(model.distillation_dense)
    if order != sorted(order):
        for head in heads:
            for weight in head.weights:
                weight.assign(ops.take(weight, order, axis=-1))
    return _named(model, [model.labels[place] for place in order])


def _named(model, labels):
    model.labels = labels
    if model.published:
        model.published = renamed(model.published, len(labels), labels)
    return model


def _tell(known, what):
    listed = f", {_listing(known)}," if known else ""
    print(f"note: the classes of the preset{listed} {what}", file=sys.stderr)


def _listing(names):
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
