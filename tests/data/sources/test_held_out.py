"""Rows that validate and test, chosen by a hash."""

import numpy as np
import pytest

from keras_attention.data import DataError
from keras_attention.data.sources.held_out import hold_out

TEXTS = [f"text {index}" for index in range(2_000)]


def parts(texts, *shares):
    rows = hold_out(texts, *shares)
    return {part: {texts[row] for row in rows[part]} for part in rows}


def test_shares_are_met_and_every_row_is_in_one_part():
    rows = hold_out(TEXTS, 0.2, 0.1)
    assert sorted(sum(rows.values(), [])) == list(range(2_000))
    assert 340 < len(rows["validation"]) < 460
    assert 150 < len(rows["test"]) < 250


def test_a_row_stays_in_its_part_whatever_the_others_are():
    whole, half = parts(TEXTS, 0.2, 0.1), parts(TEXTS[::-2], 0.2, 0.1)
    for part in whole:
        assert half[part] == whole[part] & set(TEXTS[::-2])
    assert parts(TEXTS, 0.5, 0.1)["test"] == whole["test"]
    # The same on every machine.
    assert hold_out(TEXTS, 0.2, 0.1)["test"][:5] == FIRST


FIRST = [12, 13, 19, 20, 26]


def test_no_duplicate_crosses():
    again = [f" {text.replace(' ', '  ')}\n" for text in TEXTS]
    rows = hold_out(TEXTS + again, 0.2, 0.1)
    for part in rows.values():
        assert {row % 2_000 for row in part if row < 2_000} == {
            row % 2_000 for row in part if row >= 2_000
        }


def test_images_are_told_apart_by_their_pixels(rng):
    images = rng.integers(0, 256, (300, 3, 2, 1)).astype("uint8")
    rows = hold_out(np.concatenate([images, images]), 0.3, 0)
    assert rows["validation"][: len(rows["validation"]) // 2] == [
        row - 300 for row in rows["validation"][len(rows["validation"]) // 2 :]
    ]
    assert 50 < len(rows["validation"]) / 2 < 130


def test_training_has_a_row_of_each_class():
    labels = [str(index // 2) for index in range(100)]
    texts = [*TEXTS[:98], "same", "same"]
    rows = hold_out(texts, 0.4, 0.3, labels)
    assert {labels[row] for row in rows["train"]} == set(labels)
    assert {98, 99} <= set(rows["train"])
    assert all(rows.values())


@pytest.mark.parametrize(
    "count, shares, part",
    [
        (5, (0.001, 0), "validation"),
        (5, (0, 0.001), "test"),
        (2, (0.9, 0.09), "train"),
    ],
)
def test_shares_that_leave_nothing_are_refused(count, shares, part):
    with pytest.raises(DataError, match=f"none of {count} rows for {part}"):
        hold_out(TEXTS[:count], *shares)
