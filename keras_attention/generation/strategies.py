"""The searches by name, and the settings that each takes."""

import inspect

from keras_attention.checks import did_you_mean
from keras_attention.generation.beam import beam_search, check_beams
from keras_attention.generation.greedy import (
    choose_most_probable,
    greedy_search,
)
from keras_attention.generation.sampling import (
    check_sampling,
    choose_by_drawing,
    sample,
)

STRATEGIES = {"greedy": greedy_search, "sampling": sample, "beam": beam_search}
# Of those that extend each row by one token at a time.
CHOICES = {"greedy": choose_most_probable, "sampling": choose_by_drawing}


def check_model(model):
    """Raises ValueError for a model that does not generate."""
    if not hasattr(model, "step") or not hasattr(model, "init_cache"):
        raise ValueError(
            "A Generator takes a model that generates, such as CausalLM, "
            "TransformerDecoder or EncoderDecoder. Received: "
            f"{type(model).__name__}"
        )


def check_strategy(strategy):
    """Raises ValueError for a name that is none of a search."""
    if strategy not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. "
            f"Received: strategy={strategy!r}."
            f"{did_you_mean(strategy, STRATEGIES)}"
        )


def check_settings(strategy, settings):
    """Raises ValueError for settings that a search does not take.

    Args:
        strategy: `"greedy"`, `"sampling"` or `"beam"`.
        settings: dictionary of keyword arguments of its function.
    """
    check_strategy(strategy)
    known = set(inspect.signature(STRATEGIES[strategy]).parameters)
    known -= set(inspect.signature(greedy_search).parameters)
    for name in settings:
        if name not in known:
            raise ValueError(
                f"`settings` of the strategy {strategy!r} may hold "
                f"{', '.join(sorted(known)) or 'nothing'}. "
                f"Received: {name!r}.{did_you_mean(name, known)}"
            )
    checked = {k: settings[k] for k in settings.keys() - {"seed"}}
    if strategy == "beam":
        check_beams(**checked)
    elif strategy == "sampling":
        check_sampling(**checked)
