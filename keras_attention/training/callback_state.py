"""Checks of what a checkpoint gives a callback to take up."""

import reprlib

NUMBER = (int, float)


def check_state(state, **types):
    """Refuses a state that a callback's `get_state` cannot have returned.

    Args:
        state: the dictionary, as JSON gave it.
        **types: for each name in it, the type or a tuple of types. An integer
            is a count: it is not negative.

    Raises:
        ValueError: names the first value that is missing or wrong.
    """
    for name, allowed in types.items():
        if name not in state:
            raise ValueError(f"{name!r} is missing")
        _check(name, state[name], allowed)


def check_numbers(name, values):
    """Refuses what is not a list of numbers.

    Args:
        name: what the message calls them.
        values: what JSON gave.

    Raises:
        ValueError: names the first value that is wrong.
    """
    _check(name, values, list)
    for value in values:
        _check(name, value, NUMBER)


def _check(name, value, allowed):
    allowed = allowed if isinstance(allowed, tuple) else (allowed,)
    # `True` is an integer for `isinstance`.
    if type(value) not in allowed:
        names = " or ".join(kind.__name__ for kind in allowed)
        raise ValueError(
            f"{name!r} must be {names}. Received: {reprlib.repr(value)}"
        )
    if type(value) is int and value < 0:
        raise ValueError(f"{name!r} is negative: {value}")
