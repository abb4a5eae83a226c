"""Frequencies divided by factors that were searched for, pair by pair."""

import math
import numbers

import numpy as np
from keras import ops

from keras_attention.checks import did_you_mean
from keras_attention.positions.core.angles import DIGITS, Turns, turns_of

_USES = ("by_length", "short", "long")


def check_longrope(scaling):
    """Refuses lists that are none of factors, and another use of them.

    Args:
        scaling: dictionary of type longrope, whose lists become lists of
            floats.
    """
    for name in ("short_factors", "long_factors"):
        factors = scaling[name]
        is_list = isinstance(factors, (list, tuple, np.ndarray))
        if not is_list or not all(map(_is_factor, factors)):
            raise ValueError(
                f"{name} of scaling must list a positive number for each pair. "
                f"Received: {factors!r}"
            )
        scaling[name] = [float(x) for x in factors]
    if scaling["use"] not in _USES:
        raise ValueError(
            f"use of scaling must be one of {', '.join(_USES)}. Received: "
            f"{scaling['use']!r}.{did_you_mean(scaling['use'], _USES)}"
        )


def _is_factor(x):
    return (
        isinstance(x, numbers.Real)
        and not isinstance(x, (bool, np.bool_))
        and 0 < x < math.inf
    )


def factors_of(scaling, use, num_pairs):
    """Gives the short or the long factors.

    Args:
        scaling: complete dictionary of type longrope.
        use: `"short"` or `"long"`.
        num_pairs: integer.

    Returns:
        NumPy float64 `(num_pairs,)`.

    Raises:
        ValueError: if there are not as many as pairs.
    """
    factors = scaling[f"{use}_factors"]
    if len(factors) != num_pairs:
        raise ValueError(
            f"{use}_factors of scaling must list one for each of the "
            f"{num_pairs} pairs that are rotated. Received: {len(factors)}"
        )
    return np.asarray(factors, "float64")


def longrope_sharpening(scaling):
    """The factor of queries and keys: sqrt(1 + ln factor / ln original).

    Args:
        scaling: complete dictionary of type longrope.

    Returns:
        A float.
    """
    growth = math.log(scaling["factor"])
    return math.sqrt(1 + growth / math.log(scaling["original_max_length"]))


def longrope_turns(length, frequencies, scaling):
    """Chooses between two sets of frequencies inside a graph.

    Args:
        length: integers `(...)`, of the whole sequence.
        frequencies: NumPy float64 `(pairs,)`, before scaling.
        scaling: complete dictionary of type longrope.

    Returns:
        `Turns` of float32 `(..., pairs)`.
    """
    short, long = (
        turns_of(frequencies / factors_of(scaling, use, len(frequencies)))
        for use in ("short", "long")
    )
    is_long = ops.cast(length, "int32") > scaling["original_max_length"]
    is_long = is_long[..., None]

    def choose(short, long):
        places = range(DIGITS)
        return [ops.where(is_long, long[i], short[i]) for i in places]

    return Turns(
        choose(short.coarse, long.coarse), choose(short.fine, long.fine)
    )
