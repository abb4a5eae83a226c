"""The handwritten digits, beside scikit-learn's own."""

import numpy as np
import pytest

from keras_attention.data import DataError, load_images

datasets = pytest.importorskip("sklearn.datasets")


def test_each_digit_stands_in_one_split():
    splits = [load_images("demo", x) for x in ("train", "validation", "test")]
    assert [len(labels) for _, labels in splits] == [1257, 180, 360]
    found = np.concatenate([images for images, _ in splits])
    labels = [int(label) for _, given in splits for label in given]
    assert found.shape == (1797, 8, 8, 1) and found.dtype == "uint8"
    digits = datasets.load_digits()
    rows = np.round(found.reshape(1797, 64) * (16 / 255)).astype(int)
    given = [(*row, label) for row, label in zip(rows, labels, strict=True)]
    expected = zip(digits.data.astype(int), digits.target, strict=True)
    assert sorted(map(tuple, given)) == sorted((*x, y) for x, y in expected)


def test_another_split_is_refused():
    with pytest.raises(DataError, match="train, validation, test"):
        load_images("demo", "dev")
