"""What constructors refuse."""

import operator


def check_integer(name, number, smallest=1):
    """Refuses what is no integer, or too small.

    Args:
        name: the argument's name.
        number: what was received.
        smallest: integer, the smallest that makes sense.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        valid = False
    else:
        valid = operator.index(number) >= smallest
    if not valid:
        expected = {0: "an integer of 0 or more", 1: "a positive integer"}
        raise ValueError(
            f"{name} must be "
            f"{expected.get(smallest, f'an integer of {smallest} or more')}. "
            f"Received: {number!r}"
        )
