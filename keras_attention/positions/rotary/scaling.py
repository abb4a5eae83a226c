"""Frequencies of rotary embeddings for sequences longer than in training."""

import math
import numbers

import numpy as np

from keras_attention.checks import did_you_mean
from keras_attention.positions.core.angles import inverse_wavelengths
from keras_attention.positions.rotary.longrope import (
    check_longrope,
    factors_of,
    longrope_sharpening,
)

_NEEDED = object()
_OPTIONS = {
    "linear": {"factor": _NEEDED},
    "ntk": {"factor": _NEEDED, "original_max_length": _NEEDED},
    "yarn": {
        "factor": _NEEDED,
        "original_max_length": _NEEDED,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "attention_factor": None,
        "mscale": None,
        "mscale_all_dim": None,
        "truncate": True,
    },
    # Those of Llama 3.1.
    "llama3": {
        "factor": 8.0,
        "original_max_length": 8192,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
    "longrope": {
        "short_factors": _NEEDED,
        "long_factors": _NEEDED,
        "original_max_length": _NEEDED,
        "factor": 1.0,
        "attention_factor": None,
        "use": "by_length",
    },
}


def read_scaling(scaling):
    """Completes what a caller gives as `scaling`, and checks it.

    Args:
        scaling: None, a name or a dictionary with a `type`.

    Returns:
        None, or a dictionary with all options of its type.

    Raises:
        ValueError: for an unknown type or option, one that is needed and
            missing, or a number outside of where it makes sense.
    """
    if scaling is None:
        return None
    given = {"type": scaling} if isinstance(scaling, str) else scaling
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in _OPTIONS:
        raise ValueError(
            "scaling must be None, a name, or a dictionary whose type is one "
            f"of {', '.join(_OPTIONS)}. Received: {scaling!r}."
            f"{did_you_mean(kind, _OPTIONS)}"
        )
    options = _OPTIONS[given["type"]]
    unknown = [name for name in given if name not in {"type", *options}]
    missing = [
        name
        for name, default in options.items()
        if default is _NEEDED and name not in given
    ]
    if unknown or missing:
        wrong = "does not know " if unknown else "needs "
        raise ValueError(
            f"scaling of type {given['type']} has the options "
            f"{', '.join(options)}; it {wrong}"
            f"{', '.join(map(str, unknown or missing))}. Received: "
            f"{scaling!r}.{did_you_mean(next(iter(unknown), ''), options)}"
        )
    complete = {"type": given["type"], **options, **given}
    if complete["type"] == "longrope":
        check_longrope(complete)
    _check_numbers(complete)
    if complete["type"] == "yarn":
        _check_yarn(complete)
    if complete["type"] == "llama3":
        _check_order(complete, "low_freq_factor", "high_freq_factor")
    return complete


_NO_NUMBERS = ("type", "use", "short_factors", "long_factors")


def _check_numbers(scaling):
    # YaRN's temperature may be left to the formula.
    optional = ("attention_factor", "mscale", "mscale_all_dim")
    for name, value in scaling.items():
        if name in _NO_NUMBERS or (value is None and name in optional):
            continue
        if name == "truncate":
            valid, expected = isinstance(value, bool), "True or False"
        elif name == "original_max_length":
            valid = isinstance(value, numbers.Integral) and value > 0
            expected = "a positive integer"
        else:
            least = 1.0 if name == "factor" else 0.0
            valid = isinstance(value, numbers.Real) and least <= value < 1e9
            valid = valid and value > 0
            expected = "1 or more" if least else "a positive number"
        if not valid or (isinstance(value, bool) and name != "truncate"):
            raise ValueError(
                f"{name} of scaling must be {expected}. Received: {value!r}"
            )


def _check_yarn(scaling):
    _check_order(scaling, "beta_slow", "beta_fast")
    temperature = [
        name
        for name in ("attention_factor", "mscale", "mscale_all_dim")
        if scaling[name] is not None
    ]
    if temperature not in (
        [],
        ["attention_factor"],
        ["mscale", "mscale_all_dim"],
    ):
        raise ValueError(
            "scaling of type yarn takes attention_factor, or mscale and "
            "mscale_all_dim together, or none of them. Received: "
            f"{', '.join(temperature)}"
        )


def _check_order(scaling, lower, higher):
    if scaling[lower] >= scaling[higher]:
        raise ValueError(
            f"{lower} of scaling must be less than {higher}. Received: "
            f"{lower}={scaling[lower]}, {higher}={scaling[higher]}"
        )


def scaled_frequencies(num_pairs, base, scaling):
    """Frequencies of pairs under a scaling that knows no length.

    Args:
        num_pairs: integer.
        base: the longest wavelength over two pi before scaling.
        scaling: None, or a complete dictionary of type linear, yarn, llama3
            or, with factors that are the same for all lengths, longrope.

    Returns:
        NumPy float64 `(num_pairs,)`, radians a position.
    """
    frequencies = inverse_wavelengths(num_pairs, base)
    if scaling is None:
        return frequencies
    if scaling["type"] == "linear":
        return frequencies / scaling["factor"]
    if scaling["type"] == "longrope":
        return frequencies / factors_of(scaling, scaling["use"], num_pairs)
    if scaling["type"] == "yarn":
        kept = 1 - _ramp(num_pairs, base, scaling)
    else:
        kept = _llama3_kept(frequencies, scaling)
    return frequencies * (kept + (1 - kept) / scaling["factor"])


def attention_factor(scaling):
    """The factor of queries and keys by which a scaling sharpens attention.

    Args:
        scaling: None, or a complete dictionary.

    Returns:
        A float, 1.0 for other types.
    """
    if scaling is None or scaling["type"] not in ("yarn", "longrope"):
        return 1.0
    if scaling["attention_factor"] is not None:
        return float(scaling["attention_factor"])
    if scaling["type"] == "longrope":
        return longrope_sharpening(scaling)
    growth = 0.1 * math.log(scaling["factor"])
    if scaling["mscale"] is None:
        return growth + 1.0
    return (growth * scaling["mscale"] + 1.0) / (
        growth * scaling["mscale_all_dim"] + 1.0
    )


def _ramp(num_pairs, base, scaling):
    """How far each pair is interpolated: from 0 for the quick to 1."""
    low = _pair_of_turns(scaling["beta_fast"], num_pairs, base, scaling)
    high = _pair_of_turns(scaling["beta_slow"], num_pairs, base, scaling)
    if scaling["truncate"]:
        low, high = math.floor(low), math.ceil(high)
    # The bound is the number of features, as in the published code.
    low, high = max(low, 0), min(high, 2 * num_pairs - 1)
    if low == high:
        high += 0.001
    return np.clip((np.arange(num_pairs) - low) / (high - low), 0, 1)


def _pair_of_turns(turns, num_pairs, base, scaling):
    """The index, not whole, of the pair that makes so many turns in all."""
    wavelength = scaling["original_max_length"] / turns
    return num_pairs * math.log(wavelength / (2 * math.pi)) / math.log(base)


def _llama3_kept(frequencies, scaling):
    """How much of each frequency stays: 1 for the quick, 0 for the slow."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_length"] * frequencies / (2 * np.pi)
    return np.clip((turns - low) / (high - low), 0, 1)
