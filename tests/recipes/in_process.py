"""Recipes run in this process: a new one takes seconds to import Keras."""

import contextlib
import functools
import importlib.util
import io
import sys
import types

import pytest

from tests.tools import ROOT


@functools.cache
def load(name):
    """Loads a recipe, and what it imports, as a module."""
    folder = ROOT / "recipes"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    path = folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
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
        patch.setattr(sys, "argv", ["x", *map(str, arguments)])
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
