"""What the first import says of an installation that is not right."""

import os
import subprocess
import sys

import pytest

from keras_attention import installation
from tests.tools import BACKEND, ROOT

PACKAGE = ROOT / "keras_attention"


def python(code, *arguments, root=ROOT, **environment):
    """Runs code in a new process that finds the package in a folder."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "KERAS_BACKEND": BACKEND,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        cwd=root,
        capture_output=True,
        text=True,
    )


WITHOUT = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
import keras_attention
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_missing_backend_is_named_with_its_extra(backend):
    done = python(WITHOUT, backend, KERAS_BACKEND=backend)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) < 12  # without Keras' own
    assert (
        f"ImportError: Keras is set to the backend {backend}, which is not "
        f'installed: pip install "keras-attention-zoo[{backend}]"'
    ) in done.stderr


def link_package(folder):
    """A folder `keras_attention` whose entries are those of this one."""
    package = folder / "keras_attention"
    package.mkdir()
    for entry in PACKAGE.iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    return package


def add_foreign_files(package):
    """What the wheel of keras-attention 1.0.0 has in the folder."""
    for name in installation.FOREIGN:
        (package / name).write_text("SelfAttention = None\n", "utf-8")


@pytest.mark.full
def test_foreign_files_beside_ours_are_told_at_the_first_import(tmp_path):
    package = link_package(tmp_path)
    add_foreign_files(package)
    done = python(
        "import keras_attention; import keras_attention.settings\n"
        "print(keras_attention.MultiHeadAttention)",
        root=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "MultiHeadAttention" in done.stdout
    assert done.stderr.count("pip uninstall keras-attention,") == 1
    assert f"self_attention.py and settings.py into {package}" in done.stderr


def test_a_foreign_init_in_place_of_ours_is_refused(tmp_path):
    package = link_package(tmp_path)
    add_foreign_files(package)
    (package / "__init__.py").unlink()
    (package / "__init__.py").write_text(
        "from keras_attention import settings\n"
        "from keras_attention.self_attention import SelfAttention\n",
        "utf-8",
    )
    done = python("import keras_attention", root=tmp_path)
    assert done.returncode == 1
    assert "has replaced keras_attention/__init__.py" in done.stderr
    assert "pip uninstall keras-attention," in done.stderr


def test_nothing_is_told_of_a_right_installation():
    assert installation.foreign_files(PACKAGE) == []
