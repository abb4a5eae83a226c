"""Numbers that are seen or heard: the same each time, with their words."""

import shutil

import numpy as np
import pytest

from keras_attention.data import DataError, load_images
from keras_attention.data.sources.number_demos import (
    load_digit_rows,
    load_spoken_digits,
)


@pytest.mark.full
def test_rows_show_their_numbers_with_digits_of_their_split():
    words = pytest.importorskip("num2words").num2words
    digits, labels = load_images("demo", "test")
    known = {
        digit.tobytes(): label
        for digit, label in zip(digits, labels, strict=True)
    }
    images, texts = load_digit_rows("test", 50)
    assert images.shape == (50, 8, 32, 1)
    for image, text in zip(images, texts, strict=True):
        cells = [image[:, x : x + 8] for x in range(0, 32, 8)]
        shown = "".join(known[x.tobytes()] for x in cells if x.any())
        assert words(int(shown)) == text
    again, _ = load_digit_rows("test", 50)
    np.testing.assert_array_equal(images, again)


@pytest.mark.full
@pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)
def test_digits_are_spoken_in_many_voices():
    pytest.importorskip("scipy")
    sounds, texts = load_spoken_digits("validation", 12)
    again, _ = load_spoken_digits("validation", 12)
    assert len(set(texts)) > 6
    for sound, same, text in zip(sounds, again, texts, strict=True):
        np.testing.assert_array_equal(sound, same)
        assert 0.2 < len(sound) / 16_000 / len(text.split()) < 2
        assert 0.1 < abs(sound).max() <= 1.01


def test_what_is_missing_is_told(monkeypatch):
    with pytest.raises(DataError, match="splits train, validation, test"):
        load_spoken_digits("dev")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DataError, match="espeak-ng, which is not installed"):
        load_spoken_digits("test")
