"""Rotation by angles of far positions, exact enough, computed once a call."""

import contextlib
import contextvars
import math
import operator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention.tensors import known_integer

DIGITS = 3
BASE = 128
FARTHEST = BASE**DIGITS  # the first position whose digits are too few


class Turns(NamedTuple):
    """Whole turns and their parts at each digit's place, cut for products.

    Attributes:
        coarse: `(..., features)` for each place, in multiples of 2**-17, so
            that the product with a digit is exact.
        fine: `(..., features)` for each place, the rest.
    """

    coarse: Any
    fine: Any

    def map(self, function):
        """Reshapes the tensors of all places alike."""
        parts = (list(map(function, list(part))) for part in self)
        return Turns(*parts)


def turns_of(frequencies):
    """Cuts frequencies that are known.

    Args:
        frequencies: NumPy float64 `(features,)`, radians a position.

    Returns:
        `Turns` of float32 `(features,)`.
    """
    place = float(BASE) ** np.arange(DIGITS)
    turns = place[:, None] * frequencies[None, :] / (2 * np.pi)
    turns -= np.round(turns)
    coarse = np.round(turns * 2**17) / 2**17
    return Turns(
        ops.convert_to_tensor(coarse.astype("float32")),
        ops.convert_to_tensor((turns - coarse).astype("float32")),
    )


def sine_cosine(positions, frequencies):
    """Computes sine and cosine of `position * frequency`.

    A product in float32 errs by 0.02 at position 10**6, because the angle
    needs more digits than it has. So the position is split into digits of
    seven bits and every frequency, in turns, into a part of 17 bits and a
    rest: the products with the first part are then exact, whole turns drop
    out exactly, and the error stays near 1e-6 up to position 2,097,151.

    Args:
        positions: integers `(..., length)`, not negative.
        frequencies: NumPy float64 `(features,)`, radians a position; or the
            `Turns` that a graph computes.

    Returns:
        Two float32 tensors `(..., length, features)`.
    """
    if not isinstance(frequencies, Turns):
        frequencies = turns_of(frequencies)
    positions = ops.cast(positions, "int32")
    angle = 0.0
    for index in range(DIGITS):
        digit = positions // BASE**index
        if index < DIGITS - 1:
            digit = digit % BASE
        digit = ops.cast(digit, "float32")[..., None]
        exact = digit * frequencies.coarse[index]
        rest = digit * frequencies.fine[index]
        angle = angle + (exact - ops.round(exact)) + rest
    angle = angle * (2 * math.pi)
    return ops.sin(angle), ops.cos(angle)


def rotate_pairs(x, sine, cosine, interleaved):
    """Rotates pairs `(a, b)` to `(a cos - b sin, b cos + a sin)`.

    Args:
        x: `(batch, length, heads, head_dim)`.
        sine, cosine: float32 `(..., length, 1, pairs)`; the features behind
            the pairs stay as they are.
        interleaved: whether a pair is two neighbours or one feature of each
            half.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    rotated = 2 * sine.shape[-1]
    dtype = keras.backend.result_type(x.dtype, "float32")
    sine, cosine = ops.cast(sine, dtype), ops.cast(cosine, dtype)
    head = ops.cast(x[..., :rotated], dtype)
    if interleaved:
        first, second = head[..., ::2], head[..., 1::2]
    else:
        first, second = ops.split(head, 2, axis=-1)
    pair = (
        first * cosine - second * sine,
        second * cosine + first * sine,
    )
    if interleaved:
        head = ops.reshape(ops.stack(pair, axis=-1), ops.shape(head))
    else:
        head = ops.concatenate(pair, axis=-1)
    head = ops.cast(head, x.dtype)
    if rotated == x.shape[-1]:
        return head
    return ops.concatenate([head, x[..., rotated:]], axis=-1)


def inverse_wavelengths(num_pairs, base):
    """Frequencies `base ** (-i / num_pairs)` of the pairs of features.

    Args:
        num_pairs: integer, half the width.
        base: the longest wavelength over two pi.

    Returns:
        NumPy float64 `(num_pairs,)`.
    """
    # While torch traces, a size is a tensor.
    num_pairs = operator.index(num_pairs)
    return base ** (-np.arange(num_pairs, dtype="float64") / num_pairs)


class _Shared(NamedTuple):
    """Positions of a call, and the tables that were computed of them.

    Those that a caller chose have neither start nor length.
    """

    start: Any
    length: Any
    positions: Any
    tables: dict


_SHARED = contextvars.ContextVar("shared_angles", default=None)


@contextlib.contextmanager
def shared_angles(start, length, is_stack=False):
    """Opens a call in which sines and cosines are computed once.

    Calls within a call, those of the layers of a stack, take over what was
    computed before them, where start and length are the same. (In a graph
    that learns the length later none is known to be the same.) What they
    compute themselves ends with them: it may belong to an inner graph.

    Args:
        start: integer, the first position.
        length: integer.
        is_stack: whether this is a stack of its own, which positions that
            were chosen for another do not concern.

    Yields:
        Integers `(length,)`, for which `once` remembers; within
        `chosen_positions` those.
    """
    outer = _SHARED.get()
    if is_stack and outer is not None and outer.start is None:
        outer = None
    if outer is not None and _is_same(outer, start, length):
        shared = outer._replace(tables=dict(outer.tables))
    else:
        first = ops.cast(start, "int32") if ops.is_tensor(start) else start
        positions = first + ops.arange(length, dtype="int32")
        shared = _Shared(start, length, positions, {})
    with _opened(shared) as positions:
        yield positions


def chosen_positions(positions):
    """Opens a call whose layers rotate by positions of the caller's own.

    Args:
        positions: integers `(batch or 1, length)`.

    Returns:
        A context manager that gives them.
    """
    outer = _SHARED.get()
    if outer is not None and outer.positions is positions:
        return _opened(outer)
    return _opened(_Shared(None, None, positions, {}))


@contextlib.contextmanager
def _opened(shared):
    token = _SHARED.set(shared)
    try:
        yield shared.positions
    finally:
        _SHARED.reset(token)


class SharesAngles:
    """Mixin of encodings that rotate; it goes before `PositionalEncoding`.

    An encoding has `sine_cosine_of(positions, num_pairs)`, which asks `once`,
    and says in `build` how many pairs `num_pairs` a head has.
    """

    num_pairs = None

    def positions_of_call(self, start, length):
        return shared_angles(start, length)

    @contextlib.contextmanager
    def positions_of_stack(self, start, length, positions=None):
        if positions is None:
            opened = shared_angles(start, length, is_stack=True)
        else:
            opened = chosen_positions(positions)
        with opened as positions:
            # Here and not in the first layer, which may stand in a graph of
            # its own.
            if self.num_pairs is not None:
                self.sine_cosine_of(positions, self.num_pairs)
            yield


def _is_same(shared, start, length):
    if shared.start is None:
        return True
    for one, other in ((shared.start, start), (shared.length, length)):
        known = known_integer(one)
        is_equal = known is not None and known == known_integer(other)
        if not (is_equal or one is other):
            return False
    return True


def once(positions, key, compute):
    """Computes a table of positions, or gives the one computed before.

    Args:
        positions: integers; only for those that `shared_angles` gave is
            anything remembered.
        key: hashable, what the table depends on besides.
        compute: function without arguments.

    Returns:
        What `compute` gives.
    """
    shared = _SHARED.get()
    if shared is None or positions is not shared.positions:
        return compute()
    if key not in shared.tables:
        shared.tables[key] = compute()
    return shared.tables[key]
