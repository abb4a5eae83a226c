"""What the description in a checkpoint must look like."""

import reprlib

from keras_attention.training import random_state

_GROUPS = {"model", "optimizer"}


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: truncated, or of something else."""


def check(path, description):
    """Refuses a description that `Checkpoint` cannot have written.

    Args:
        path: the checkpoint's file, for the message.
        description: what JSON gave.

    Raises:
        CheckpointError: names the first entry that is missing or wrong.
    """
    if not isinstance(description, dict):
        raise CheckpointError(
            f"{path} is truncated or no checkpoint (its description is of "
            f"{type(description).__name__}). Delete it to start anew."
        )
    missing = sorted(_CHECKS.keys() - description.keys())
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint of this version: it has no "
            f"{', '.join(missing)}. Delete it to start anew."
        )
    for name, (is_right, expected) in _CHECKS.items():
        if not is_right(description[name]):
            raise CheckpointError(
                f"{path} is damaged: its {name} must be {expected}. "
                f"Received: {reprlib.repr(description[name])}. Delete it to "
                "start anew."
            )
    try:
        random_state.check(description["random"])
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged: {error}. Delete it to start anew."
        ) from error


def _is_position(value):
    return (
        isinstance(value, list)
        and list(map(type, value)) == [int, int, bool]
        and 0 <= min(value) <= max(value) < 2**31
    )


def _is_variables(value):
    return (
        isinstance(value, dict)
        and value.keys() in (_GROUPS, _GROUPS | {"metrics"})
        and all(isinstance(group, list) for group in value.values())
        and all(_is_variable(x) for group in value.values() for x in group)
    )


def _is_variable(value):
    return (
        isinstance(value, list)
        and list(map(type, value)) == [str, list, str]
        and all(type(size) is int and size >= 0 for size in value[1])
    )


def _is_states(value):
    return isinstance(value, dict) and all(
        isinstance(state, dict) for state in value.values()
    )


_CHECKS = {
    "format": (lambda value: type(value) is int, "an integer"),
    "backend": (lambda value: isinstance(value, str), "a string"),
    "data": (
        lambda value: value is None or isinstance(value, str),
        "a string or null",
    ),
    "position": (
        _is_position,
        "an epoch, a batch and whether training was stopped",
    ),
    "variables": (
        _is_variables,
        "lists of [path, shape, dtype] for model, optimizer and, within an "
        "epoch, metrics",
    ),
    "callbacks": (_is_states, "a dictionary of dictionaries"),
    "random": (lambda value: isinstance(value, dict), "a dictionary"),
}
