"""Whether the parts of a task fit together."""

from keras_attention.generation.beam import check_beams
from keras_attention.generation.constraints import make_constraints
from keras_attention.generation.search_memory import bytes_of_row, check_search

# The least that makes sense: something, and start and end around it.
_LEAST = {
    "max_source_length": 2,
    "max_length": 2,
    "num_beams": 1,
    "batch_size": 1,
}


def check_positive(**settings):
    """Refuses settings that are no positive integers.

    Raises:
        ValueError: for the first of them.
    """
    for name, number in settings.items():
        if type(number) is not int or number < 1:
            raise ValueError(
                f"{name} must be a positive integer. Received: "
                f"{name}={number!r}"
            )


def check_jit_compile(jit_compile):
    """Raises ValueError for what says not whether to compile."""
    if not isinstance(jit_compile, bool) and jit_compile != "auto":
        raise ValueError(
            'jit_compile must be True, False or "auto". Received: '
            f"jit_compile={jit_compile!r}"
        )


def check_settings(model, settings):
    """Raises ValueError for a setting of a `SourceToText` out of its range.

    Args:
        model: an `EncoderDecoder`.
        settings: dictionary of the keyword arguments of the task.
    """
    for name, least in _LEAST.items():
        number = settings.get(name, least)
        if type(number) is not int or number < least:
            raise ValueError(
                f"{name} must be an integer of at least {least}. Received: "
                f"{name}={number!r}"
            )
    make_constraints(
        settings["max_length"],
        min_length=settings["min_length"],
        no_repeat_ngram_size=settings["no_repeat_ngram_size"],
    )
    check_beams(
        settings["num_beams"],
        settings["length_penalty"],
        settings["early_stopping"],
    )
    # Of one text: a batch may be smaller than `batch_size`.
    sizes = settings["max_length"], settings["num_beams"]
    check_search(bytes_of_row(model, *sizes), 1, *sizes)
    check_jit_compile(settings["jit_compile"])
    for name, part in (
        ("max_source_length", model.encoder),
        ("max_length", model.decoder),
    ):
        check_positions(part, name, settings.get(name, 0))


def check_positions(part, name, count):
    """Raises ValueError where a model has positions for less than a setting.

    Args:
        part: the encoder or the decoder.
        name: string, the setting.
        count: integer, the positions that it takes.
    """
    position = getattr(part, "position", None)
    limit = getattr(position, "max_length", None)
    if limit is not None and count > limit:
        raise ValueError(
            f"{name} takes {count} positions. The {type(position).__name__} "
            f"of the {part.name} has max_length={limit}."
        )


def check_shared(model, source_tokenizer, target_tokenizer):
    """Raises ValueError where a model copies between two vocabularies.

    Args:
        model: an `EncoderDecoder`.
        source_tokenizer, target_tokenizer: `Tokenizer`s.
    """
    copies = getattr(model, "copy_generator", None) is not None
    if copies and source_tokenizer.digest != target_tokenizer.digest:
        raise ValueError(
            "A model with a copy_generator needs one tokenizer as "
            "source_tokenizer and target_tokenizer. Received: two"
        )


def check_tokenizer(side, tokenizer, part, needed):
    """Raises ValueError for a tokenizer that does not suit the model.

    Args:
        side: `"source"` or `"target"`, or `""` where there is one alone.
        tokenizer: its `Tokenizer`.
        part: the encoder or the decoder.
        needed: names of the ids that the tokenizer must have.
    """
    check_vocabulary(side, tokenizer, part)
    name = f"{side}_tokenizer" if side else "tokenizer"
    for mark in needed:
        if getattr(tokenizer, mark) < 0:
            raise ValueError(
                f"The {name} needs an {mark}. Received: one without"
            )
    padding_id = padding_of(tokenizer, part)
    if padding_id is None or padding_id < 0:
        raise ValueError(
            f"The {type(part).__name__} of the {name} must mask a padding_id. "
            f"Received: {padding_id} in the model, {tokenizer.padding_id} in "
            "the tokenizer"
        )
    if tokenizer.padding_id not in (-1, padding_id):
        raise ValueError(
            f"The {name} must have the padding_id of the model, "
            f"{padding_id}. Received: {tokenizer.padding_id}"
        )


def check_vocabulary(side, tokenizer, part):
    """Raises ValueError for a tokenizer of more pieces than a model knows.

    Args:
        side, tokenizer, part: as of `check_tokenizer`.
    """
    name = f"{side}_tokenizer" if side else "tokenizer"
    size = getattr(part, "vocabulary_size", None)
    if not isinstance(size, int):
        raise ValueError(
            f"The {name} makes token ids, which the {type(part).__name__} of "
            "the model does not read."
        )
    if tokenizer.vocabulary_size > size:
        raise ValueError(
            f"The {name} has {tokenizer.vocabulary_size} pieces, more than "
            f"the model's vocabulary_size for it, {size}."
        )


def padding_of(tokenizer, part):
    """Gives the id that fills up batches of token ids.

    Args:
        tokenizer: a `Tokenizer`, which need not have one.
        part: the encoder or the decoder.
    """
    return getattr(part.embedding, "padding_id", tokenizer.padding_id)


def check_starts(size, settings):
    """Raises ValueError for ids that an output cannot begin with.

    Args:
        size: integer, the decoder's vocabulary size.
        settings: dictionary of the settings of the task.
    """
    for name in ("decoder_start_id", "forced_start_id"):
        number = settings[name]
        is_id = type(number) is int and 0 <= number < size
        if number is not None and not is_id:
            raise ValueError(
                f"{name} must be an id of the decoder's vocabulary of {size}, "
                "which the tokenizer itself does not give. Received: "
                f"{name}={number!r}"
            )
    max_length = settings["max_length"]
    if settings["forced_start_id"] is not None and max_length < 3:
        raise ValueError(
            "max_length must be at least 3 with a forced_start_id. "
            f"Received: max_length={max_length}"
        )
