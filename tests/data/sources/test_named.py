import subprocess
import sys

import pytest

from keras_attention.data import DataError, load_columns, load_parallel
from keras_attention.data.errors import MissingColumn

HEAVY = ("tensorflow_datasets", "tensorflow_text", "sentencepiece", "num2words")


@pytest.mark.parametrize(
    "dataset", ["", "Demo", "demo:", "files", "files:", "tfds:", "folder"]
)
def test_an_unknown_source_is_refused_with_the_known_ones(dataset):
    with pytest.raises(
        DataError, match="be demo, files:FOLDER, tfds:NAME, hf:NAME, or a file"
    ):
        load_parallel(dataset, "train", "en", "de")


@pytest.mark.parametrize(
    "dataset, nearest",
    [("dmo", "demo"), ("file:x", "files:x"), ("texts", "files:texts")],
)
def test_the_nearest_source_is_named(dataset, nearest, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    with pytest.raises(DataError, match=f"Did you mean '{nearest}'"):
        load_parallel(dataset, "train", "en", "de")


@pytest.mark.parametrize(
    "header",
    ["en,de", "German,English", "source,target", "SRC,tgt", "x,de,en,source"],
)
def test_languages_are_columns_by_several_names(header, tmp_path):
    names = header.lower().split(",")
    row = {"en": "one", "english": "one", "source": "one", "src": "one"}
    values = [row.get(name, "eins") for name in names]
    if "en" in names and "source" in names:
        values[names.index("source")] = "no"
    (tmp_path / "train.csv").write_text(f"{header}\n{','.join(values)}\n")
    for dataset in (f"files:{tmp_path}", f"{tmp_path}/train.csv"):
        found = load_parallel(dataset, "train", "en", "de")
        assert found == (["one"], ["eins"])


def test_files_of_both_languages_come_before_a_table(tmp_path):
    for name in ("train.en", "train.de", "train.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    found = load_parallel(f"files:{tmp_path}", "train", "en", "de")
    assert found == (["train.en"], ["train.de"])


COLUMNS = {"text": "text", "label": "label"}


@pytest.mark.parametrize(
    "header, expected",
    [
        ("text,label", ["0", "1"]),
        ("Label,Text", ["1", "0"]),
        ("class,id,sentence", ["2", "0"]),
        ("review,target,label", ["0", "2"]),
    ],
)
def test_columns_are_found_by_usual_names(header, expected, tmp_path):
    values = ",".join(map(str, range(header.count(",") + 1)))
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n{values}\n")
    found = load_columns(str(path), "train", COLUMNS)
    assert found == [[value] for value in expected]


@pytest.mark.parametrize(
    "header, columns, role, message",
    [
        ("a,label", COLUMNS, "text", "no column 'text'; it has: a, label"),
        ("class,topic,text", COLUMNS, "label", "be the label: class, topic"),
        ("sentence,y", {**COLUMNS, "text": "body"}, "text", "no column 'body'"),
        ("content", {"text": "text", "summary": "content"}, "text", "one col"),
    ],
)
def test_a_column_that_is_not_found_says_what_it_is_for(
    header, columns, role, message, tmp_path
):
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n{'1,' * header.count(',')}1\n")
    with pytest.raises(MissingColumn, match=message) as caught:
        load_columns(str(path), "train", columns)
    assert caught.value.role == role


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
        ("hf:some/set", "datasets", "hf"),
        ("some.parquet", "pyarrow", "parquet"),
    ],
)
def test_a_missing_package_is_named(
    dataset, package, extra, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}: pip .*\[{extra}\]"):
        load_parallel(dataset, "train", "en", "de")
