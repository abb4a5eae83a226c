"""How much a chat template may do: it is refused before it is done."""

import collections.abc
import contextvars
import re

# A chat of a thousand messages takes a small fraction of either.
MOST_STEPS = 1_000_000
LONGEST = 1_000_000
_MOST_BITS = 10_000  # of an integer
_MOST_INDENT = 16
# Filters that make something as long as a number says.
_SIZING = {"batch", "center", "indent", "slice", "truncate", "wordwrap"}
# What a conversion or a field of a format says of its width.
_CONVERSION = re.compile(r"%(?:\([^)]*\))?([-+ #0\d.*]*)")
_FIELD = re.compile(r"\{[^{}]*?:([^}]*)")
_steps = contextvars.ContextVar("steps")


class TooMuch(Exception):
    """A template asks for more than it may have."""


def begin():
    """Begins to count; gives what `end` takes."""
    return _steps.set([0])


def end(token):
    """Leaves off counting."""
    _steps.reset(token)


def spend(count=1):
    """Counts steps, and refuses more than there may be."""
    # Jinja computes constants while it compiles.
    spent = _steps.get([0])
    spent[0] += count
    if spent[0] > MOST_STEPS:
        raise TooMuch(f"it takes more than {MOST_STEPS:,} steps")


def weight(*values):
    """Counts the characters and items of values, and of what they hold.

    It stops where they are too long in any case.
    """
    found, seen, waiting = 0, 0, [*values]
    while waiting and found <= LONGEST:
        value = waiting.pop()
        seen += 1
        found += 1
        if isinstance(value, (str, bytes, range)):
            found += len(value)
        elif isinstance(value, collections.abc.Mapping):
            waiting += [*value, *value.values()]
        elif isinstance(value, collections.abc.Collection):
            waiting += value
    spend(seen // 100)
    return found


def check(value):
    """Refuses what is too long, or too large; returns it otherwise."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise TooMuch(f"a number is longer than {_MOST_BITS:,} bits")
    if weight(value) > LONGEST:
        _refuse()
    return value


def check_operator(operator, left, right):
    """Refuses `left * right` and the like where the result is too long."""
    if operator == "*":
        for value, count in ((left, right), (right, left)):
            if isinstance(count, int) and not isinstance(value, int | float):
                _check_product(weight(value), count)
    if operator == "**" and (abs(left) > LONGEST or abs(right) > 64):
        raise TooMuch(f"the power {left} ** {right} is too large")
    if operator == "%" and isinstance(left, (str, bytes)):
        _check_format(str(left), _CONVERSION, right)


def check_method(text, name, arguments):
    """Refuses a call of a method of a string whose result is too long.

    Args:
        text: string.
        name: of the method.
        arguments: list of what it is given, values of keywords included.
    """
    if name in ("format", "format_map"):
        _check_format(text, _FIELD, arguments)
    else:
        _check_numbers(arguments)
    if name == "replace" and len(arguments) > 1:
        _check_product(text.count(arguments[0]), len(arguments[1]))
    elif name == "join" and arguments:
        _check_product(len(arguments[0]), len(text))
    elif name == "expandtabs":
        _check_product(text.count("\t"), [*arguments, 8][0])
    elif name == "translate":
        raise TooMuch("translate is unsafe")


def check_filter(name, value, arguments):
    """Refuses a call of a filter whose result is too long.

    Args:
        name: of the filter.
        value: what it is applied to.
        arguments: list of what else it is given, values of keywords included.
    """
    numbers = [x for x in arguments if isinstance(x, int)]
    if name in _SIZING:
        _check_numbers(numbers)
    if name == "tojson" and any(x > _MOST_INDENT for x in numbers):
        raise TooMuch(f"an indent is larger than {_MOST_INDENT}")
    if name in ("indent", "join", "wordwrap"):
        # Once for each item, line or piece of a line.
        lengths = [len(x) for x in arguments if isinstance(x, str)]
        is_text = isinstance(value, str) and name == "indent"
        count = value.count("\n") if is_text else len(value)
        _check_product(count, max([0, *lengths, *numbers]))
    if name == "replace" and len(arguments) > 1:
        check_method(str(value), name, [*map(str, arguments[:2])])
    if name == "format":
        _check_format(str(value), _CONVERSION, arguments)


def _check_format(text, pattern, values):
    """Refuses widths that are too large, or values that come too often."""
    widths = "".join(pattern.findall(text))
    numbers = [int(x[:9]) for x in re.findall(r"\d+", widths)]
    # Others come as values.
    if set(widths) & {"*", "{"} or sum(numbers) > LONGEST:
        raise TooMuch("a format has widths that may be too large")
    _check_product(weight(values), text.count("%") + text.count("{"))


def _check_numbers(values):
    for value in values:
        if isinstance(value, int) and abs(value) > LONGEST:
            raise TooMuch(f"{value} is larger than {LONGEST:,}")


def _check_product(size, count):
    if isinstance(count, int) and size * count > LONGEST:
        _refuse()


def _refuse():
    raise TooMuch(f"a value is longer than {LONGEST:,}")
