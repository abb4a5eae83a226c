import re

import numpy as np
import pytest
from num2words import num2words

from keras_attention.data import DataError, load_parallel

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits():
    return {split: load_parallel("demo", split, "en", "de") for split in SPLITS}


@pytest.fixture(scope="module")
def numbers(splits):
    return {
        split: [read(text) for text in splits[split][0]] for split in SPLITS
    }


SMALL = {num2words(number): number for number in range(100)}


def read(text):
    """Reads an English number, independently of how it was written."""
    number, group = 0, 0
    for word in re.findall("[a-z-]+", text.replace(" and ", " ")):
        if word in ("thousand", "million"):
            number += group * {"thousand": 1_000, "million": 1_000_000}[word]
            group = 0
        elif word == "hundred":
            group *= 100
        else:
            group += SMALL[word]
    return number + group


@pytest.mark.full
def test_splits_are_large_and_share_no_number(numbers):
    assert [len(numbers[split]) for split in SPLITS] == [30_000, 1_000, 1_000]
    together = [number for split in SPLITS for number in numbers[split]]
    assert len(set(together)) == len(together)
    assert 0 <= min(together) and max(together) < 10**9
    assert max(together) > 0.99 * 10**9


@pytest.mark.full
def test_small_numbers_are_all_for_training(numbers):
    assert set(range(100)) <= set(numbers["train"])


@pytest.mark.full
def test_sides_are_the_same_numbers(splits, numbers):
    for split in SPLITS:
        german = splits[split][1]
        for row in range(0, len(german), 17):
            assert german[row] == num2words(numbers[split][row], lang="de")


@pytest.mark.full
def test_every_digit_stands_in_every_place_of_training(numbers):
    given = np.array(numbers["train"])
    for place in range(9):
        digits = given[given >= 10**place] // 10**place % 10
        _, counts = np.unique(digits, return_counts=True)
        assert len(counts) >= 9 and counts.min() > 400


@pytest.mark.full
def test_another_language_pair_has_the_same_numbers(splits, numbers):
    french, german = load_parallel("demo", "test", "fr", "de")
    assert german == splits["test"][1]
    for row in range(0, len(french), 17):
        assert french[row] == num2words(numbers["test"][row], lang="fr")


@pytest.mark.full
def test_numbers_are_the_same_everywhere(numbers):
    assert {split: numbers[split][-3:] for split in SPLITS} == {
        "train": [177794297, 304006839, 8095],
        "validation": [4825297, 234448, 679310],
        "test": [8183, 6246943, 3453605],
    }


@pytest.mark.parametrize(
    "split, source, target, message",
    [
        ("dev", "en", "de", "splits train, validation and test.*'dev'"),
        ("train", "en", "es", "languages en, de, fr.*'es'"),
        ("train", "xx", "de", "languages en, de, fr.*'xx'"),
        ("train", "de", "de", "two languages"),
    ],
)
def test_what_the_demo_lacks_is_refused(split, source, target, message):
    with pytest.raises(DataError, match=message):
        load_parallel("demo", split, source, target)
