"""Reading JSON that somebody may have changed, strictly."""

import json
import math
import reprlib
import typing
from pathlib import Path

MOST_LEVELS = 100  # of lists and objects, one in the other
MOST_DIGITS = 300  # of an integer, which a float can still hold


class _Refused(ValueError):
    """What the text holds and should not."""


def read_json(path, *, allow_nan=False):
    """Reads a JSON file; see `parse_json`.

    Args:
        path: path of the file.
        allow_nan: as of `parse_json`.

    Returns:
        What the file holds.

    Raises:
        ValueError: as `parse_json`; the message begins with the path.
        OSError: if there is no such file, or it cannot be read.
    """
    return parse_json(Path(path).read_bytes(), path, allow_nan=allow_nan)


def parse_json(content, name, *, allow_nan=False, as_written=False):
    """Parses JSON and refuses what Python's own reader lets through or drops.

    Those are keys that come twice in an object, of which only the last would
    count, NaN and infinities, which JSON does not have, numbers beyond the
    range of floats, and text that is nested so deeply that reading it, or
    working on it later, would exhaust the stack.

    Args:
        content: bytes in UTF-8, or a string.
        name: what the text is called in the error message.
        allow_nan: whether `NaN`, `Infinity` and `-Infinity` become floats.
        as_written: whether numbers stay strings, digit by digit.

    Returns:
        Dictionary, list, string, number, boolean or None.

    Raises:
        ValueError: in one line that says what is wrong.
    """
    try:
        if not isinstance(content, str):
            content = bytes(content).decode("utf-8")
        value = json.loads(
            content,
            object_pairs_hook=_object,
            parse_constant=float if allow_nan else _refuse_constant,
            parse_float=str if as_written else _float,
            parse_int=str if as_written else _integer,
        )
        _check_levels(value)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        reason = f"it is not UTF-8 (line {line} holds the byte 0x{byte:02x})"
    except json.JSONDecodeError as error:
        reason = f"it is not JSON ({error})"
    except RecursionError:
        reason = f"it is nested more than {MOST_LEVELS} levels deep"
    except _Refused as error:
        reason = f"it has {error}"
    else:
        return value
    raise ValueError(f"{name} is damaged: {reason}.")


def check_fields(name, found, cls):
    """Refuses entries of a dictionary that are of other types than fields.

    Args:
        name: what the dictionary is called in the error message.
        found: dictionary that JSON held, with the names of fields as keys.
        cls: dataclass with fields of the types `str`, `int`, `float`, `bool`,
            `Literal` of strings and `tuple` of any length. A whole number
            will do for a float.

    Raises:
        ValueError: for the first entry that does not fit.
    """
    types = typing.get_type_hints(cls)
    for field, value in found.items():
        fits, expected = _compare(value, types[field])
        if not fits:
            raise ValueError(
                f"{name}: {field} must be {expected}. Received: "
                f"{field}={reprlib.repr(value)}"
            )


_WORDS = {
    bool: "true or false",
    float: "a number",
    int: "an integer",
    str: "a string",
}


def _compare(value, kind):
    """Tells whether a value is of a type, and the type in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        fits = isinstance(value, str) and value in inner
        return fits, f"one of {', '.join(inner)}"
    if origin is tuple:
        parts = value if isinstance(value, list) else [None]
        fits = all(_compare(part, inner[0])[0] for part in parts)
        return fits, f"a list, each entry {_WORDS[inner[0]]}"
    fits = type(value) is kind or (kind is float and type(value) is int)
    return fits, _WORDS[kind]


def _object(pairs):
    found = {}
    for key, value in pairs:
        if key in found:
            raise _Refused(f"the key {reprlib.repr(key)} twice in one object")
        found[key] = value
    return found


def _refuse_constant(text):
    raise _Refused(f"{text}, which is no number of JSON")


def _float(text):
    number = float(text)
    if math.isinf(number):
        raise _Refused(f"the number {reprlib.repr(text)}, which is too large")
    return number


def _integer(text):
    if len(text) > MOST_DIGITS:
        raise _Refused(f"an integer of {len(text)} digits, which is too large")
    return int(text)


def _check_levels(value):
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return
    raise RecursionError


def _parts(value):
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
