"""A small folder of TensorFlow Datasets, built here and read back."""

import os
import subprocess
import sys

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")
tf = pytest.importorskip("tensorflow")

from keras_attention.data import (  # noqa: E402
    DataError,
    load_columns,
    load_images,
    load_parallel,
)

ROWS = 2_053  # more than are fetched at once


def rows(count):
    portuguese = [f"olá, número {row} ☃" for row in range(count)]
    english = [f"hello, number {row}" for row in range(count)]
    return portuguese, english


def store(folder, name, features, columns):
    tfds.disable_progress_bar()
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        config="pt_to_en",
        data_dir=folder,
        features=features,
        disable_shuffling=True,
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(data)
            for split, data in columns.items()
        },
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    store(
        folder,
        "small_pairs",
        tfds.features.Translation(languages=("pt", "en")),
        {
            split: dict(zip(("pt", "en"), rows(count), strict=True))
            for split, count in (("train", ROWS), ("validation", 2))
        },
    )
    return folder


@pytest.fixture(autouse=True)
def use_folder(folder, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))


NAME = "tfds:small_pairs/pt_to_en"


@pytest.mark.full
def test_sentences_come_in_order_either_way():
    portuguese, english = rows(ROWS)
    assert load_parallel(NAME, "train", "pt", "en") == (portuguese, english)
    assert load_parallel(NAME, "train", "en", "pt") == (english, portuguese)


def test_splits_and_slices():
    assert load_parallel(NAME, "validation", "pt", "en") == rows(2)
    sources, _ = load_parallel(NAME, "train[:10]", "pt", "en")
    assert sources == rows(10)[0]


@pytest.mark.full
@pytest.mark.parametrize(
    "backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)]
)
def test_other_backends_read_the_same(backend):
    pytest.importorskip(backend)
    code = (
        "from keras_attention.data import load_parallel\n"
        f"sides = load_parallel({NAME!r}, 'validation', 'pt', 'en')\n"
        "print(ascii(sides))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert printed.splitlines()[-1] == ascii(rows(2))


def test_text_features_beside_others_will_do(folder):
    portuguese, english = rows(3)
    store(
        folder,
        "more_features",
        tfds.features.FeaturesDict(
            {
                "pt": tfds.features.Text(),
                "en": tfds.features.Text(),
                "tags": tfds.features.Sequence(tf.int32),
            }
        ),
        {
            "train": {
                "pt": portuguese,
                "en": english,
                "tags": tf.ragged.constant([[1], [], [2, 3]], tf.int32),
            }
        },
    )
    found = load_parallel("tfds:more_features/pt_to_en", "train", "en", "pt")
    assert found == (english, portuguese)
    with pytest.raises(DataError, match="no text feature 'tags'; it has: en"):
        load_parallel("tfds:more_features/pt_to_en", "train", "en", "tags")


@pytest.mark.parametrize(
    "name, split, target, message",
    [
        ("no_pairs/pt_to_en", "train", "en", "knows no 'no_pairs/pt_to_en'"),
        ("no pairs", "train", "en", "knows no 'no pairs'"),
        ("small_pairs/pt_to_en", "test", "en", "it has: train, validation"),
        ("small_pairs/pt_to_en", "train[:", "en", r"no split 'train\[:'"),
        ("small_pairs/pt_to_en", "train", "de", "'de'; it has: en, pt"),
    ],
)
def test_what_is_not_there_is_refused(name, split, target, message):
    with pytest.raises(DataError, match=message):
        load_parallel(f"tfds:{name}", split, "pt", target)


def test_damaged_records_are_refused(folder, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    (record,) = (tmp_path / "copy").glob("small_pairs/*/*/*validation*")
    record.write_bytes(record.read_bytes()[:-9])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "copy"))
    with pytest.raises(DataError, match="is damaged"):
        load_parallel(NAME, "validation", "pt", "en")


@pytest.mark.parametrize("labels", [[1, 0, 1], [1, -1, 1]])
def test_images_come_with_the_names_of_their_classes(folder, labels):
    images = np.arange(3 * 5 * 4).reshape(3, 5, 4, 1).astype("uint8")
    name = f"pictures_{min(labels) + 1}"
    features = {
        "image": tfds.features.Image(shape=(5, 4, 1)),
        "label": tfds.features.ClassLabel(names=["dark", "bright"]),
    }
    store(
        folder,
        name,
        tfds.features.FeaturesDict(features),
        {"train": {"image": images, "label": labels}},
    )
    if min(labels) < 0:
        with pytest.raises(DataError, match="1 of 3 images.*no label"):
            load_images(f"tfds:{name}/pt_to_en", "train")
        return
    found, names = load_images(f"tfds:{name}/pt_to_en", "train")
    np.testing.assert_array_equal(found, images)
    assert names == ["bright", "dark", "bright"]
    found, names = load_images(f"tfds:{name}/pt_to_en", "train[1:]")
    assert len(found) == len(names) == 2


def test_columns_are_text_labels_and_numbers(folder):
    features = {
        "text": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["bad", "good"]),
        "stars": tfds.features.Scalar(tf.float32),
        "useful": tfds.features.Scalar(tf.bool),
        "word": tfds.features.Scalar(tf.string),
        "inner": {"id": tfds.features.Scalar(tf.int64)},
        "tags": tfds.features.Sequence(tf.int32),
    }
    rows = {
        "text": ["one\ntwo", "ol\u00e1"],
        "label": [1, 0],
        "stars": [0.1, 2.0],
        "useful": [True, False],
        "word": ["a", "b"],
        "inner": {"id": tf.constant([7, -8], tf.int64)},
        "tags": tf.ragged.constant([[1], []], tf.int32),
    }
    store(
        folder,
        "table",
        tfds.features.FeaturesDict(features),
        {"train": rows},
    )
    columns = ["label", "text", "stars", "useful", "word", "inner/id"]
    assert load_columns("tfds:table/pt_to_en", "train", columns) == [
        ["good", "bad"],
        ["one\ntwo", "ol\u00e1"],
        ["0.1", "2.0"],
        ["true", "false"],
        ["a", "b"],
        ["7", "-8"],
    ]
    assert load_columns("tfds:table/pt_to_en", "train", ["text"]) == [
        ["one\ntwo", "ol\u00e1"]
    ]
    for unknown in ("tags", "inner", "inner/no", "summary"):
        with pytest.raises(
            DataError,
            match=f"no feature '{unknown}'; it has: inner/id, label, stars",
        ):
            load_columns("tfds:table/pt_to_en", "train", ["text", unknown])
