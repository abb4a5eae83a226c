"""Models of a family, assembled of the parts that a configuration gives."""

import contextlib
import textwrap
import types

from keras_attention.registry import arguments_of

# By the name of a model class: its part without a head, and how its parts
# make it.
_BASES = {
    "TransformerEncoder": "",
    "MaskedLM": "encoder",
    "Classifier": "encoder",
    "SequenceTagger": "encoder",
    "SpanPredictor": "encoder",
    "TransformerDecoder": "",
    "CausalLM": "decoder",
    "EncoderDecoder": "",
}
# Arguments that every Keras model takes.
_OF_KERAS = {"dtype", "name", "trainable"}
# Which part holds the arguments of a head over an encoder; its `encoder` are
# arguments in place of those of an encoder without a head.
_HEADS = {
    "MaskedLM": "masked_lm",
    "Classifier": "classifier",
    "SequenceTagger": "sequence_tagger",
    "SpanPredictor": "span_predictor",
}


def make_model(cls, family, config, arguments):
    """Makes a model.

    Args:
        cls: class of the model.
        family: a `Family`.
        config: a `Configuration`.
        arguments: dictionary of arguments in place of those.

    Returns:
        `(model, kind)`, where kind is the name of its class among those of
        the family.

    Raises:
        ValueError: if the family has no such class, or an entry of the
            configuration is of another type.
    """
    kind = kind_of(cls, family)
    if kind is None:
        raise ValueError(
            f"A {family.name} model is no {cls.__name__}; it can be read as "
            f"{' or '.join(family.architectures)}. Received: {config.name}"
        )
    with _naming_entries(family, config, arguments):
        parts = parts_of(family, config)
        return _assemble(cls, kind, parts, arguments), kind


def _assemble(cls, kind, parts, arguments):
    """Makes a model of a kind, of the arguments of its parts."""
    from keras_attention.models.decoder import TransformerDecoder
    from keras_attention.models.encoder import TransformerEncoder

    single = {"TransformerEncoder": "encoder", "TransformerDecoder": "decoder"}
    if kind in single:
        return cls(**{**parts[single[kind]], **arguments})
    # What a model with a head does not take itself is for its parts.
    taken = {*arguments_of(cls), *_OF_KERAS}
    own = {n: x for n, x in arguments.items() if n in taken}
    both = _OF_KERAS - {"name"}
    inner = {n: x for n, x in arguments.items() if n not in own or n in both}
    if kind == "CausalLM":
        decoder = TransformerDecoder(**{**parts["decoder"], **inner})
        return cls(decoder, **own)
    if kind in _HEADS:
        head = dict(parts[_HEADS[kind]])
        given = {**parts["encoder"], **head.pop("encoder", {}), **inner}
        return cls(TransformerEncoder(**given), **{**head, **own})
    decoder = TransformerDecoder(**{**parts["decoder"], **inner})
    given = {**parts["encoder"], **inner}
    if parts.get("share_embeddings"):
        given["embedding"] = decoder.embedding  # which makes logits
    return cls(TransformerEncoder(**given), decoder, **own)


@contextlib.contextmanager
def _naming_entries(family, config, arguments):
    """Names a file, and its entries, in errors that name arguments."""
    try:
        yield
    except (TypeError, ValueError) as error:
        reason, is_odd = str(error), isinstance(error, TypeError)
        if config.name in reason:
            raise
        if is_odd:  # an entry of another type
            reason = textwrap.shorten(reason, 200, placeholder=" ...")
        if is_odd or not (arguments or config.changes):
            reason = (
                f"{config.name} describes no {family.name} model that can be "
                f"made: {reason}"
            )
        entries = config.quoted_in(reason)
        is_callers = any(
            name in reason for name in (*arguments, *config.changes)
        )
        if entries and not is_odd and not is_callers:
            reason = f"{reason.rstrip('.')}. The file has {entries}."
        raise ValueError(reason) from error


def parts_of(family, config):
    """Gives the arguments of a configuration, or one clear error."""
    try:
        return family.parts(config)
    except (
        ArithmeticError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
    ) as error:
        raise ValueError(
            f"{config.name} has an entry of another type than a {family.name} "
            f"model has: {type(error).__name__}: {error}"
        ) from error


def kind_of(cls, family):
    """The name of a class, or of the nearest base that a family has."""
    names = [base.__name__ for base in cls.__mro__]
    return next((n for n in names if n in family.architectures), None)


def base_of(model, kind, family):
    """Gives the part of a model that has no head."""
    is_pair = "EncoderDecoder" in family.architectures
    if is_pair and kind == "TransformerEncoder":
        return types.SimpleNamespace(encoder=model)  # as in the pair
    name = _BASES[kind]
    return getattr(model, name) if name else model
