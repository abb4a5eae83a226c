"""How a `TextGenerator` generates: a folder's wishes and those of a caller."""

import random

from keras_attention.checks import did_you_mean
from keras_attention.generation.constraints import NAMES
from keras_attention.generation.published import read_arguments
from keras_attention.generation.strategies import check_strategy

# Settings of the strategies, which a caller gives beside all others.
SETTINGS = {
    "sampling": ("temperature", "top_k", "top_p", "min_p", "seed"),
    "beam": ("num_beams", "length_penalty", "early_stopping"),
}
OTHERS = ("strategy", "max_length", "end_id", *NAMES)
STOPS = "stop_strings"  # in a generation_config.json


def check_options(options):
    """Refuses what is no option of generation.

    Args:
        options: dictionary.

    Raises:
        ValueError: for the first that is unknown, or if options of two
            strategies are given.
    """
    if not isinstance(options, dict):
        raise ValueError(
            "generation must be a dictionary of options. Received: "
            f"generation={options!r}"
        )
    known = [*OTHERS, *(x for names in SETTINGS.values() for x in names)]
    for name in options:
        if name not in known:
            raise ValueError(
                f"There is no option {name!r} of generation, only "
                f"{', '.join(sorted(known))}.{did_you_mean(name, known)}"
            )
    _strategy_of(options)


def merge(defaults, options):
    """Puts options in the place of others.

    Where they choose another strategy, the settings of the earlier one go.

    Args:
        defaults, options: dictionaries of options.

    Returns:
        A dictionary of options.
    """
    check_options(options)
    strategy = _strategy_of(options)
    forced = options.get("forced_ids")
    if isinstance(forced, dict):
        # JSON would make strings of the positions.
        pairs = [list(pair) for pair in forced.items()]
        options = {**options, "forced_ids": pairs}
    merged = dict(defaults)
    if strategy is not None:
        kept = SETTINGS.get(strategy, ())
        for names in SETTINGS.values():
            for name in set(names).difference(kept):
                merged.pop(name, None)
        merged["strategy"] = strategy
    if "max_length" in options or "max_new_tokens" in options:
        merged.pop("max_length", None)
        merged.pop("max_new_tokens", None)
    return {**merged, **options}


def generator_arguments(model, tokenizer, options):
    """Makes the arguments of a `Generator`.

    Args:
        model: a model. Its `generation` fills in what `options` leave open.
        tokenizer: its end id ends a text where the model names none.
        options: dictionary, from `merge`, without the seed.

    Returns:
        A dictionary of keyword arguments.

    Raises:
        ValueError: if an option is out of its range.
    """
    entries = {**(model.generation or {})}
    entries.pop(STOPS, None)  # which the task itself looks for
    options = dict(options)
    given = options.pop("strategy", None)
    settings = {
        name: options.pop(name)
        for name in SETTINGS.get(given, ())
        if name in options
    }
    if "end_id" not in options and entries.get("eos_token_id") is None:
        options["end_id"] = max(tokenizer.end_id, -1)
        if options["end_id"] < 0:
            options["end_id"] = None
    return read_arguments(entries, strategy=given, settings=settings, **options)


def take_seed(options):
    """Takes the seed out of options, or draws one where none is given.

    Args:
        options: dictionary, from `merge`, which loses its seed.

    Returns:
        Integer.

    Raises:
        ValueError: if the seed is no integer from 0 to 2**31 - 1.
    """
    seed = options.pop("seed", None)
    if seed is None:
        return random.randrange(2**31)
    is_integer = isinstance(seed, int) and not isinstance(seed, bool)
    if not is_integer or not 0 <= seed < 2**31:
        raise ValueError(
            "seed must be an integer from 0 to 2**31 - 1, or None for new "
            f"draws. Received: seed={seed!r}"
        )
    return seed


def _strategy_of(options):
    """The strategy that options name, or whose settings they are, or None."""
    found = [
        strategy
        for strategy, names in SETTINGS.items()
        if any(name in options for name in names)
    ]
    given = options.get("strategy")
    if given is not None:
        check_strategy(given)
    if len(found) > 1 or (given and found not in ([], [given])):
        names = [x for s in SETTINGS for x in SETTINGS[s] if x in options]
        raise ValueError(
            f"{' and '.join(names)} belong to the strategies "
            f"{' and '.join(found)}. Received: strategy={given!r}"
        )
    return given or (found[0] if found else None)
