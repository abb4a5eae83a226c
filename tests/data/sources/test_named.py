import subprocess
import sys

import pytest

from keras_attention.data import DataError, load_parallel

HEAVY = ("tensorflow_datasets", "tensorflow_text", "sentencepiece", "num2words")


@pytest.mark.parametrize(
    "dataset", ["", "Demo", "demo:", "files", "files:", "tfds:", "folder"]
)
def test_an_unknown_source_is_refused_with_the_known_ones(dataset):
    with pytest.raises(
        DataError, match="'demo', 'files:FOLDER' or 'tfds:NAME'"
    ):
        load_parallel(dataset, "train", "en", "de")


@pytest.mark.full
def test_importing_the_folder_loads_nothing_heavy():
    code = (
        "import sys, keras_attention.data\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize(
    "dataset, package, extra",
    [
        ("demo", "num2words", "text"),
        ("tfds:some/set", "importlib_resources", "datasets"),
    ],
)
def test_a_missing_package_is_named(dataset, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}: pip .*\[{extra}\]"):
        load_parallel(dataset, "train", "en", "de")
