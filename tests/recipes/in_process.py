"""Recipes run in this process: a new one takes seconds to import Keras.

Each is a copy in a folder of its own, where it finds the package alone.
"""

import atexit
import contextlib
import functools
import importlib.util
import io
import pathlib
import shutil
import sys
import tempfile
import types

import pytest

from tests.tools import ROOT


@functools.cache
def copied(name):
    """Copies a recipe into an empty folder; gives the path of the copy."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copy(ROOT / "recipes" / f"{name}.py", folder)
    return pathlib.Path(folder) / f"{name}.py"


@functools.cache
def load(name):
    """Loads a recipe as a module."""
    spec = importlib.util.spec_from_file_location(name, copied(name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # tyro looks a dataclass up in the module
    spec.loader.exec_module(module)
    return module


def run(name, *arguments, stdin=b""):
    """Runs a command of a recipe.

    Args:
        name: of the recipe.
        *arguments: of the command line.
        stdin: bytes or a string.

    Returns:
        What `subprocess.run` would: `returncode`, `stdout`, `stderr`.
    """
    module = load(name)
    output, errors, code = io.StringIO(), io.StringIO(), 0
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"recipes/{name}.py", *map(str, arguments)])
        stream = types.SimpleNamespace(buffer=io.BytesIO(stdin))
        patch.setattr(sys, "stdin", stream)
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            try:
                module.run_commands(module.COMMANDS, "")
            except SystemExit as stop:
                code = stop.code
    return types.SimpleNamespace(
        returncode=code, stdout=output.getvalue(), stderr=errors.getvalue()
    )
