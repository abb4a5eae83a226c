"""The arguments of a `Generator` that a published folder asks for."""

import warnings
from typing import NamedTuple

from keras_attention.checks import is_real
from keras_attention.generation.strategies import check_model, check_strategy
from keras_attention.models.published.generation_config import (
    DEFAULTS,
    FILE,
    HARMLESS,
)

NEW_TOKENS = 20  # what `transformers` adds to a prompt where nothing is said


class _Kind(NamedTuple):
    """What an entry may be: the words of a message, and whether it is that."""

    expected: str
    fits: object


def _is_integer(x):
    return isinstance(x, int) and not isinstance(x, bool)


def _is_id(x):
    return _is_integer(x) and x >= 0


def _are_ids(x):
    return isinstance(x, list) and all(map(_is_id, x))


def _are_pairs(x):
    """Whether these are pairs of a position and an id, or null for any."""
    return isinstance(x, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and _is_id(pair[0])
        and (pair[1] is None or _is_id(pair[1]))
        for pair in x
    )


COUNT = _Kind("an integer of 0 or more", _is_id)
POSITIVE = _Kind("a positive integer", lambda x: _is_id(x) and x > 0)
NUMBER = _Kind("a number", is_real)
BOOLEAN = _Kind("true or false", lambda x: isinstance(x, bool))
ID = _Kind("an id", _is_id)
IDS = _Kind("a list of ids", _are_ids)
ONE_OR_IDS = _Kind(
    "an id or a list of them", lambda x: _is_id(x) or _are_ids(x)
)
WORDS = _Kind(
    "a list of lists of ids",
    lambda x: isinstance(x, list) and all(_are_ids(w) and w for w in x),
)
KINDS = {
    "max_length": POSITIVE,
    "max_new_tokens": POSITIVE,
    "min_length": COUNT,
    "min_new_tokens": COUNT,
    "do_sample": BOOLEAN,
    "num_beams": POSITIVE,
    "early_stopping": _Kind(
        'true, false or "never"',
        lambda x: isinstance(x, bool) or x == "never",
    ),
    "length_penalty": NUMBER,
    "temperature": NUMBER,
    "top_k": COUNT,
    "top_p": NUMBER,
    "min_p": NUMBER,
    "repetition_penalty": NUMBER,
    "no_repeat_ngram_size": COUNT,
    "bad_words_ids": WORDS,
    "renormalize_logits": BOOLEAN,
    "suppress_tokens": IDS,
    "begin_suppress_tokens": IDS,
    "forced_bos_token_id": ID,
    "forced_eos_token_id": ONE_OR_IDS,
    "forced_decoder_ids": _Kind("a list of pairs of integers", _are_pairs),
    "force_bos_token_to_be_generated": BOOLEAN,
    "bos_token_id": ID,
    "eos_token_id": ONE_OR_IDS,
    # -1 stands for none in old files.
    "pad_token_id": _Kind("an integer", _is_integer),
    "decoder_start_token_id": ONE_OR_IDS,
}
# Of `Constraints`, by the names that they have in the files.
CONSTRAINTS = {
    "min_new_tokens": "min_new_tokens",
    "no_repeat_ngram_size": "no_repeat_ngram_size",
    "repetition_penalty": "repetition_penalty",
    "bad_words_ids": "bad_words",
    "renormalize_logits": "renormalize",
    "suppress_tokens": "suppressed_ids",
    "begin_suppress_tokens": "suppressed_first_ids",
    "forced_bos_token_id": "forced_first_id",
    "forced_eos_token_id": "forced_last_id",
}


def arguments_of(model, changes):
    """Gives the arguments of a `Generator` for a published model.

    Args:
        model: one with the attribute `generation`.
        changes: dictionary of arguments in place of those.

    Returns:
        A dictionary of keyword arguments.

    Raises:
        ValueError: see `read_arguments`; also if the model has no
            `generation`, or does not generate.
    """
    check_model(model)
    entries = getattr(model, "generation", None)
    if entries is None:
        raise ValueError(
            f"This {type(model).__name__} came from no published folder, so "
            f"no {FILE} says how it generates. Use Generator(model, "
            "max_length=..., end_id=...)."
        )
    return read_arguments(entries, **changes)


def read_arguments(entries, file=FILE, **changes):
    """Reads what a `generation_config.json` asks for.

    What is missing has the value that `transformers` takes, such as the 50 most
    probable tokens of sampling. What this package lacks is named in a warning.

    Args:
        entries: dictionary, the content of the file.
        file: what the file is called in messages.
        **changes: arguments of `Generator` in place of the file's; `settings`
            replace those of the same name.

    Returns:
        A dictionary of keyword arguments of `Generator`.

    Raises:
        ValueError: if an entry is of another type, or if beams are to be
            sampled and `changes` name no strategy.
    """
    given = {n: x for n, x in entries.items() if x is not None}
    for name, kind in KINDS.items():
        if name in given and not kind.fits(given[name]):
            raise ValueError(
                f"{file}: {name} must be {kind.expected}. "
                f"Received: {given[name]!r}"
            )
    _warn_of_lacks(given, file)
    strategy = changes.pop("strategy", None) or _strategy(given, file)
    check_strategy(strategy)
    settings = _settings(given, strategy) | (changes.pop("settings", {}) or {})
    return {
        **_ids(given),
        **_lengths(given, changes),
        **_constraints(given),
        "strategy": strategy,
        "settings": settings,
        **changes,
    }


def _warn_of_lacks(given, file):
    lacked = [
        f"{name}={value!r}"
        for name, value in given.items()
        if name not in KINDS
        and name not in HARMLESS
        and value != DEFAULTS.get(name)
    ]
    if any(x is None for _, x in given.get("forced_decoder_ids", ())):
        lacked.append("positions of forced_decoder_ids without an id")
    if _start_id(given) is None and given.get("decoder_start_token_id"):
        lacked.append("a decoder_start_token_id for each row")
    if lacked:
        warnings.warn(
            f"{file} asks for what keras_attention lacks, and which is passed "
            f"over: {', '.join(lacked)}",
            stacklevel=5,
        )


def _strategy(given, file):
    has_beams = given.get("num_beams", 1) > 1
    if not given.get("do_sample", False):
        return "beam" if has_beams else "greedy"
    if has_beams:
        raise ValueError(
            f"{file} asks for beams that are sampled, which keras_attention "
            'lacks: pass strategy="beam" or strategy="sampling". Received: '
            f"do_sample=True, num_beams={given['num_beams']}"
        )
    return "sampling"


def _settings(given, strategy):
    if strategy == "beam":
        names = ("num_beams", "length_penalty", "early_stopping")
        return {n: given[n] for n in names if n in given}
    if strategy == "greedy":
        return {}
    settings = {"top_k": given.get("top_k", 50) or None}
    for name in ("temperature", "top_p", "min_p"):
        if name in given:
            settings[name] = given[name]
    return settings


def _ids(given):
    """Gives the tokens that begin, end and fill a row."""
    ends = given.get("eos_token_id")
    first_end = ends[0] if isinstance(ends, list) and ends else ends
    padding_id = given.get("pad_token_id", -1)
    return {
        "end_id": ends,
        "padding_id": padding_id if padding_id >= 0 else first_end or 0,
        "start_id": _start_id(given),
    }


def _start_id(given):
    """Gives the token that all rows begin with, or None."""
    start = given.get("decoder_start_token_id", given.get("bos_token_id"))
    if not isinstance(start, list):
        return start
    return start[0] if len(set(start)) == 1 else None


def _lengths(given, changes):
    """Gives the lengths, of which a number of new tokens counts first."""
    lengths = {}
    if "max_length" not in changes and "max_new_tokens" not in changes:
        if "max_new_tokens" in given or "max_length" not in given:
            lengths["max_new_tokens"] = given.get("max_new_tokens", NEW_TOKENS)
        else:
            lengths["max_length"] = given["max_length"]
    if "min_new_tokens" not in given and "min_new_tokens" not in changes:
        lengths["min_length"] = given.get("min_length", 0)
    return lengths


def _constraints(given):
    found = {
        ours: given[theirs]
        for theirs, ours in CONSTRAINTS.items()
        if theirs in given
    }
    if given.get("force_bos_token_to_be_generated"):
        found.setdefault("forced_first_id", given.get("bos_token_id"))
    pairs = given.get("forced_decoder_ids", ())
    found["forced_ids"] = {p: x for p, x in pairs if x is not None}
    return found
