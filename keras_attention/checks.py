"""Checks of arguments that several folders use."""

import difflib
import math
import numbers
import operator

import numpy as np


def check_integer(name, number, smallest=1):
    """Refuses what is no integer, or too small.

    Args:
        name: the argument's name.
        number: what was received.
        smallest: integer, the smallest that makes sense.

    Returns:
        The integer, of Python's own kind.
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
    return operator.index(number)


def check_labels(labels, number):
    """Refuses what does not name each of some classes.

    Args:
        labels: what was received, or None.
        number: integer, how many classes there are.

    Returns:
        A list of strings, or None.
    """
    if labels is None:
        return None
    valid = isinstance(labels, (list, tuple)) and all(
        isinstance(label, str) for label in labels
    )
    if not valid or len(labels) != number:
        raise ValueError(
            f"labels must be a list of {number} strings, one for each class. "
            f"Received: {labels!r}"
        )
    return list(labels)


def did_you_mean(name, known):
    """Ends the message on an unknown name with the nearest that is known.

    Args:
        name: what was received.
        known: the names that would do.

    Returns:
        A string, empty where none is near.
    """
    by_lower = {str(name).lower(): name for name in known}
    found = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f" Did you mean {by_lower[found[0]]!r}?" if found else ""


def is_real(number):
    """Whether something is a number, which True and False are not here."""
    return isinstance(number, numbers.Real) and not isinstance(number, bool)


def check_dropout(dropout, name="dropout"):
    """Refuses what is no share of features to drop.

    Args:
        dropout: what was received.
        name: the argument's name.
    """
    if not is_real(dropout) or not 0.0 <= dropout < 1.0:
        raise ValueError(f"{name} must lie in [0, 1). Received: {dropout!r}")


def check_number(name, number, above=0.0, most=math.inf):
    """Refuses what is no finite number, or lies outside of a range.

    Args:
        name: the argument's name.
        number: what was received.
        above: number; only those above it make sense.
        most: the largest number that makes sense.

    Returns:
        The number, of Python's own kind.
    """
    # Float32 holds no larger ones.
    fits = is_real(number) and abs(number) < 2.0**127
    if not fits or not above < number <= most:
        expected = f"in ({above:g}, {most:g}]"
        if math.isinf(most):
            expected = "positive" if above == 0.0 else f"above {above:g}"
        raise ValueError(
            f"{name} must be a finite number {expected}. Received: {number!r}"
        )
    # Tensors hold no larger integers.
    is_small = isinstance(number, int) and abs(number) < 2**31
    return number if is_small else float(number)


def check_boolean(name, value):
    """Refuses what is neither True nor False.

    Args:
        name: the argument's name.
        value: what was received.

    Raises:
        ValueError: for another value, numbers and strings included.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False. Received: {value!r}")


def check_shape(name, tensor, expected):
    """Refuses a tensor of another shape, where the sizes are known."""
    shape = tuple(tensor.shape)
    if len(shape) != len(expected) or any(
        have is not None and want is not None and have != want
        for have, want in zip(shape, expected, strict=True)
    ):
        raise ValueError(
            f"{name} must have the shape {expected}. Received: {shape}"
        )


def check_plain_weights(model, reason):
    """Refuses a model whose weights are quantized or adapted by LoRA.

    Args:
        model: a Keras model.
        reason: why, the end of a sentence.

    Raises:
        ValueError: for the first layer with such weights.
    """
    for layer in model._flatten_layers():
        for state in ("quantization_mode", "lora_enabled"):
            if getattr(layer, state, None):
                raise ValueError(
                    f"{layer.name} has {state}={getattr(layer, state)}, "
                    f"{reason}. Write the model before that."
                )
