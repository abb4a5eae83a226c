"""Frequencies of rotary embeddings for sequences longer than in training."""

import math

import numpy as np

from keras_attention.positions.angles import inverse_wavelengths


def scaled_frequencies(num_pairs, base, scaling):
    """Frequencies of pairs under a scaling that knows no length.

    Args:
        num_pairs: integer.
        base: the longest wavelength over two pi before scaling.
        scaling: None, or a complete dictionary of type linear, yarn or
            llama3.

    Returns:
        NumPy float64 `(num_pairs,)`, radians a position.
    """
    frequencies = inverse_wavelengths(num_pairs, base)
    if scaling is None:
        return frequencies
    if scaling["type"] == "linear":
        return frequencies / scaling["factor"]
    if scaling["type"] == "yarn":
        kept = 1 - _ramp(num_pairs, base, scaling)
    else:
        kept = _llama3_kept(frequencies, scaling)
    return frequencies * (kept + (1 - kept) / scaling["factor"])


def attention_factor(scaling):
    """The factor of queries and keys by which YaRN sharpens attention.

    Args:
        scaling: None, or a complete dictionary.

    Returns:
        A float, 1.0 for other types.
    """
    if scaling is None or scaling["type"] != "yarn":
        return 1.0
    if scaling["attention_factor"] is not None:
        return float(scaling["attention_factor"])
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
