"""Frequencies that depend on the length of the sequence."""

import math

import numpy as np
from keras import ops

from keras_attention.positions.core.angles import BASE, DIGITS, FARTHEST, Turns

_STEPS = 512  # rows of a table while the stretch grows by a factor of e
_FINE = 64  # rows of the table between two rows of the coarse one
_BITS = 14  # a part of a number: sums of three products fit 31 bits


def ntk_turns(length, frequencies, scaling):
    """Slows down frequencies by the length, precisely and inside a graph.

    Dynamic NTK stretches the base so that pair i of k has the frequency
    `f_i * s ** (-i / (k - 1))` with `s = 1 + factor * (length - original) /
    original`, from the original length on. In float32 these would be wrong
    in the seventh digit and angles at position 10**6 in the first. So log s
    is a multiple of 1/512, for which float64 tables hold the powers as
    integers, and a small rest, of which float32 knows enough. The tables are
    two: their product, in integers, is exact to 2**-41 turns.

    Args:
        length: integers `(...)`, up to 2,097,152.
        frequencies: NumPy float64 `(pairs,)`, at most 1.
        scaling: complete dictionary of type ntk.

    Returns:
        `Turns` of float32 `(..., pairs)`.
    """
    original = scaling["original_max_length"]
    growth = scaling["factor"] / original
    steps = np.arange(len(frequencies)) / (len(frequencies) - 1)
    # In rows, the logarithm of the largest stretch.
    last = _STEPS * math.log1p(growth * max(FARTHEST - original, 0))
    rows = np.arange(math.ceil(last) + 1)
    beyond = ops.maximum(ops.cast(length, "int32") - original, 0)
    row, rest = _nearest_row(beyond, growth, rows)
    coarse = np.exp(-rows[::_FINE, None] / _STEPS * steps)
    fine = np.exp(-rows[:_FINE, None] / _STEPS * steps)
    turns = _product(
        _look_up(coarse * frequencies / (2 * np.pi), row // _FINE),
        _look_up(fine, row % _FINE),
    )
    steps = ops.convert_to_tensor(steps.astype("float32"))
    return _cut(*turns, ops.expm1(-rest[..., None] * steps))


def _nearest_row(beyond, growth, rows):
    """Splits the logarithm of the stretch.

    Args:
        beyond: integers, by how much the length exceeds the original.
        growth: what each position adds to the stretch.
        rows: NumPy integers, all rows that tables have.

    Returns:
        `(row, rest)`, integers and float32 of the shape of `beyond`, so that
        the logarithm is `row / _STEPS + rest`.
    """
    where = np.expm1(rows / _STEPS) / growth
    whole = np.floor(where)
    row = ops.log1p(ops.cast(beyond, "float32") * growth) * _STEPS
    row = ops.minimum(ops.cast(ops.round(row), "int32"), len(rows) - 1)
    whole, part, slope = (
        ops.take(ops.convert_to_tensor(table.astype(dtype)), row, axis=0)
        for table, dtype in (
            (whole, "int32"),
            (where - whole, "float32"),
            (growth * np.exp(-rows / _STEPS), "float32"),
        )
    )
    # Large numbers cancel as integers, where nothing is lost.
    apart = ops.cast(beyond - whole, "float32") - part
    return row, ops.log1p(apart * slope)


def _look_up(table, row):
    """Rows of a float64 table of numbers up to 1, in three integers each."""
    parts = []
    for _ in range(3):
        table = table * 2.0**_BITS
        part = np.floor(table)
        table = table - part
        parts.append(ops.convert_to_tensor(part.astype("int32")))
    return [ops.take(part, row, axis=0) for part in parts]


def _product(one, other):
    """Multiplies numbers of three parts each.

    Returns:
        `(first, rest)`: integers in units of 2**-28, and float32 in units of
        2**-42.
    """
    (a, b, c), (d, e, f) = one, other
    first, second, third = a * d, a * e + b * d, a * f + b * e + c * d
    first = first + second // 2**_BITS
    rest = ops.cast(second % 2**_BITS, "float32")
    return first, rest + ops.cast(third, "float32") * 2.0**-_BITS


def _cut(first, rest, change):
    """Makes `Turns` of a product and its relative change."""
    bits = 2 * _BITS
    small = rest * 2.0 ** -(3 * _BITS)
    small = small + ops.cast(first, "float32") * 2.0**-bits * change
    coarse, fine = [], []
    for index in range(DIGITS):
        place = BASE**index
        # The bits that stand before the point are whole turns.
        left = (first % (2**bits // place)) * place
        coarse.append(ops.cast(left // 2 ** (bits - 17), "float32") * 2.0**-17)
        low = ops.cast(left % 2 ** (bits - 17), "float32") * 2.0**-bits
        fine.append(low + small * float(place))
    return Turns(coarse, fine)
