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
    number = 0
    for word in re.findall("[a-z-]+", text.replace(" and ", " ")):
        if word == "thousand":
            number *= 1000
        elif word == "hundred":
            number += 99 * (number % 1000)
        else:
            number += SMALL[word]
    return number


@pytest.mark.full
def test_splits_are_large_and_share_no_number(numbers):
    assert [len(numbers[split]) for split in SPLITS] == [30_000, 1_000, 1_000]
    together = [number for split in SPLITS for number in numbers[split]]
    assert len(set(together)) == len(together)
    assert 0 <= min(together) and max(together) < 100_000


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
    digits = np.array([list(f"{number:05d}") for number in numbers["train"]])
    for place in range(5):
        _, counts = np.unique(digits[:, place], return_counts=True)
        assert len(counts) == 10 and counts.min() > 2_500


@pytest.mark.full
def test_another_language_pair_has_the_same_numbers(splits, numbers):
    french, german = load_parallel("demo", "test", "fr", "de")
    assert german == splits["test"][1]
    for row in range(0, len(french), 17):
        assert french[row] == num2words(numbers["test"][row], lang="fr")


@pytest.mark.full
def test_numbers_are_the_same_everywhere(numbers):
    assert {split: numbers[split][-3:] for split in SPLITS} == {
        "train": [43293, 68808, 93476],
        "validation": [8345, 41937, 64458],
        "test": [35037, 47762, 3985],
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
