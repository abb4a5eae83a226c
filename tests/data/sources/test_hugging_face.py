"""Data sets of the `datasets` library, from folders that it has written."""

import pytest

from keras_attention.data import DataError, load_columns, load_parallel
from keras_attention.data.errors import MissingSplit

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def library():
    library = pytest.importorskip("datasets", reason="what is read")
    library.disable_progress_bars()
    return library


@pytest.fixture(scope="module")
def stored(library):
    features = library.Features(
        {
            "sentence": library.Value("string"),
            "label": library.ClassLabel(names=["neg", "pos"]),
            "translation": library.Translation(["en", "de"]),
            "score": library.Value("float32"),
            "inner": {"x": library.Value("int64")},
        }
    )
    pairs = [{"en": "one", "de": "eins"}, {"en": "two", "de": "zwei"}]
    rows = {
        "sentence": ["a", "b", "c"],
        "label": [0, 1, -1],
        "translation": [*pairs, {"en": "three", "de": "drei"}],
        "score": [1.0, 2.5, None],
        "inner": [{"x": 3}, {"x": 4}, {"x": 5}],
    }
    return library.Dataset.from_dict(rows, features=features)


def write_splits(library, stored, folder):
    library.DatasetDict({"train": stored, "dev": stored}).save_to_disk(folder)


def write_one(library, stored, folder):
    stored.save_to_disk(folder)


def write_file(library, stored, folder):
    folder.mkdir()
    stored.to_parquet(folder / "train.parquet")


@pytest.mark.parametrize("write", [write_splits, write_one, write_file])
def test_folders_give_texts_labels_and_what_lies_within(
    write, library, stored, tmp_path, monkeypatch
):
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write(library, stored, tmp_path / "set")
    name = f"hf:{tmp_path / 'set'}"
    columns = {"text": "text", "label": "label"}
    with pytest.warns(UserWarning, match="Dropped 1 of 3 rows"):
        found = load_columns(name, "train", columns)
    assert found == [["a", "b"], ["neg", "pos"]]
    sides = load_parallel(name, "train", "de", "en")
    assert sides == (["eins", "zwei", "drei"], ["one", "two", "three"])
    assert load_columns(name, "train", ["inner/x"]) == [["3", "4", "5"]]
    if write is write_splits:
        assert load_columns(name, "validation", ["inner/x"])
    with pytest.raises(MissingSplit, match="no split 'test'; it has: train"):
        load_columns(name, "test", columns)
    with pytest.raises(DataError, match="no column 'x'; it has: sentence, la"):
        load_columns(name, "train", ["x"])


def test_a_set_that_is_nowhere_is_named(library, tmp_path):
    with pytest.raises(DataError, match="cannot load .*nowhere"):
        load_columns(f"hf:{tmp_path / 'nowhere'}", "train", ["x"])
