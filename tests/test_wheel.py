"""The built wheel holds all of the package."""

import importlib.util
import subprocess
import sys
import zipfile

import pytest

from tests.tools import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names of the files in a wheel of this checkout."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(
        [*command, "-d", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        return set(file.namelist())


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    """What .gitignore names, such as a folder, is left out without a word."""
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "keras_attention").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "keras_attention/runs/train.py" in files
    assert not files - wheel
