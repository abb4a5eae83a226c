"""A recipe is one file: a user copies it and needs the package alone."""

import pytest

from tests.recipes import in_process
from tests.tools import ROOT, run_python

NAMES = sorted(path.stem for path in (ROOT / "recipes").glob("*.py"))
HELP = """
import runpy, sys
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as stop:
        print("ended with", stop.code)
"""


@pytest.mark.full
def test_copies_run_as_scripts():
    """What they train as copies is tested recipe by recipe."""
    paths = [in_process.copied(name) for name in NAMES]
    for path in paths:
        assert list(path.parent.glob("*.py")) == [path]
    output = run_python(HELP, *paths)
    assert output.count("ended with 0") == len(NAMES) >= 4
    for name in NAMES:
        for command in in_process.load(name).COMMANDS:
            assert command in output


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_read_in_one_sitting(name):
    text = in_process.copied(name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
