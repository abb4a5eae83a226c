"""Callbacks of others, by the name that a user gives."""

import contextlib
import importlib
import os
import sys

import keras

from keras_attention.checks import did_you_mean
from keras_attention.runs.checks import UsageError


def load_callback(name):
    """Makes the Keras callback that a user names.

    Args:
        name: string, `MODULE:NAME`: of an installed module, or of a file in
            the current folder, and in it of a class, a function without
            arguments that makes a callback, or a callback.

    Returns:
        A `keras.callbacks.Callback`.

    Raises:
        UsageError: if there is none of this name.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise UsageError(
            "--callback must be MODULE:NAME, such as "
            "wandb.integration.keras:WandbMetricsLogger. "
            f"Received: {name}"
        )
    module = _import(module_name)
    made = getattr(module, attribute, None)
    if made is None:
        known = [
            x
            for x, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, keras.callbacks.Callback)
        ]
        raise UsageError(
            f"--callback: {module_name} has no {attribute}."
            f"{did_you_mean(attribute, known or vars(module))}"
        )
    if not isinstance(made, keras.callbacks.Callback) and callable(made):
        try:
            made = made()
        except Exception as error:  # whatever another's code raises
            raise UsageError(
                f"--callback: {name}() fails: {type(error).__name__}: {error}"
            ) from error
    if not isinstance(made, keras.callbacks.Callback):
        raise UsageError(
            f"--callback: {name} gives a {type(made).__name__}, which is no "
            "keras.callbacks.Callback."
        )
    return made


def _import(name):
    with contextlib.ExitStack() as stack:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
            stack.callback(sys.path.remove, os.getcwd())
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UsageError(
                f"--callback: the module {name} cannot be imported: {error}"
            ) from error
