"""How a `TextToText` searches: its constraints, languages, published words."""

import dataclasses
import warnings

from keras_attention.checks import did_you_mean
from keras_attention.generation.constraints import NAMES, Constraints
from keras_attention.generation.published import arguments_of
from keras_attention.tasks.core.checks import padding_of
from keras_attention.tasks.core.text_inputs import longest_input

# Constraints for which the task has settings of their own.
SETTINGS = {
    "min_length": "min_length",
    "no_repeat_ngram_size": "no_repeat_ngram_size",
    "forced_first_id": "forced_start_id",
    "max_new_tokens": "max_length",
}


def check_constraints(constraints):
    """Reads the setting `constraints`.

    Args:
        constraints: dictionary of arguments of `Constraints`, or None.

    Returns:
        The same as a dictionary that JSON can hold.

    Raises:
        ValueError: if one of them is unknown, out of its range, or what a
            setting of the task says.
    """
    constraints = {} if constraints is None else constraints
    if not isinstance(constraints, dict):
        raise ValueError(
            "constraints must be a dictionary of arguments of Constraints. "
            f"Received: constraints={constraints!r}"
        )
    known = [name for name in NAMES if name not in SETTINGS]
    for name in constraints:
        if name in SETTINGS:
            raise ValueError(
                f"The setting {SETTINGS[name]} says what {name} in constraints "
                f"would. Received: {name}={constraints[name]!r}"
            )
        if name not in known:
            raise ValueError(
                f"constraints has {name!r}, which is none of "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
    made = dataclasses.asdict(Constraints(**constraints))
    return {name: _plain(made[name]) for name in constraints}


def limits(settings, target, decoder):
    """Says when a search ends and what it may not give.

    Args:
        settings: dictionary of the settings of a `TextToText`.
        target: its target tokenizer.
        decoder: the decoder of its model.

    Returns:
        A dictionary of keyword arguments of `beam_search`.
    """
    return {
        "max_length": settings["max_length"],
        "end_id": target.end_id,
        "padding_id": padding_of(target, decoder),
        # There it counts what stands before the end.
        "min_length": max(settings["min_length"] - 1, 0),
        "no_repeat_ngram_size": settings["no_repeat_ngram_size"],
        "forced_first_id": settings["forced_start_id"],
        **settings["constraints"],
    }


def with_languages(settings, source, target):
    """Reads the settings `source_language` and `target_language`.

    Args:
        settings: dictionary of all settings, in which the target language
            becomes the id that an output begins with.
        source, target: `Tokenizer`s.

    Returns:
        The source tokenizer for that language.

    Raises:
        ValueError: if a tokenizer has no such language.
    """
    if settings["source_language"] is not None:
        source = source.for_language(settings["source_language"])
    name = settings["target_language"]
    if name is None:
        return source
    code = f">>{name}<<"
    if target.token_id(code) >= 0:
        raise ValueError(
            f"This model reads its target language in the text: write {code} "
            f"before it. Received: target_language={name!r}"
        )
    # mBART starts with the language; mBART-50, M2M100 and NLLB start with the
    # end id, and the language follows.
    starts_with_end = settings["decoder_start_id"] == target.end_id
    setting = "forced_start_id" if starts_with_end else "decoder_start_id"
    settings[setting] = target.language_id(name)
    return source


def published(model, source, target):
    """Gives the settings that a published folder asks for.

    Args:
        model: the `EncoderDecoder` that was read from it.
        source, target: its `Tokenizer`s.

    Returns:
        A dictionary of settings of `TextToText`.

    Raises:
        ValueError: if an entry of `generation_config.json` is of another
            type, or names other end ids than the tokenizer's.
    """
    found = arguments_of(model, {"strategy": "beam"})
    if (model.generation or {}).get("do_sample", False):
        warnings.warn(
            "The folder asks for samples; a TextToText searches for the most "
            "probable text instead.",
            stacklevel=4,
        )
    for name in ("strategy", "padding_id"):
        found.pop(name)
    _check_end(found.pop("end_id"), target)
    if "max_new_tokens" in found:
        found["max_length"] = 1 + found.pop("max_new_tokens")
    settings = {
        "max_source_length": longest_input(model.encoder, source),
        "max_length": found.pop("max_length"),
        "decoder_start_id": found.pop("start_id"),
        "forced_start_id": found.pop("forced_first_id", None),
        "no_repeat_ngram_size": found.pop("no_repeat_ngram_size", 0),
        # There it counts what stands before the end.
        "min_length": _with_end(found.pop("min_length", 0)),
        "num_beams": 1,
        **found.pop("settings"),
    }
    return {**settings, "constraints": {n: x for n, x in found.items() if x}}


def _with_end(min_length):
    return min_length + 1 if min_length else 0


def _check_end(end_id, target):
    ends = end_id if isinstance(end_id, list) else [end_id]
    if ends not in ([target.end_id], [None]):
        raise ValueError(
            "An output ends with the end token of the tokenizer, "
            f"{target.end_id}. Received: eos_token_id={end_id!r}"
        )


def _plain(value):
    """Makes lists of tuples, as JSON does."""
    return [_plain(x) for x in value] if isinstance(value, tuple) else value
