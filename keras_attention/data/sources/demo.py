"""Numbers in words, as sentences and translations without a download."""

import numpy as np

from keras_attention import optional
from keras_attention.data.errors import DataError

LANGUAGES = ("en", "de", "fr")
LARGEST = 999_999_999
HELD_OUT = 1_000  # numbers in each of validation and test
TRAINED = 30_000
# Numbers from which all others are put together. Each is unlike the rest, so
# all of them are for training.
PARTS = 100
DIGITS = range(3, 10)  # of the others, of each as many as there can be
RANGE = f"numbers in words from 0 to {LARGEST:,}"


def load_demo(split, source_language, target_language):
    """Writes numbers out in two languages with num2words.

    The numbers of a split are the same on every machine and the three splits
    share none. Those below 100 are all in the training split; of the others
    there are about as many of four digits as of nine.

    Args:
        split: `"train"` (30,000 numbers), `"validation"` or `"test"` (1,000
            each).
        source_language: `"en"`, `"de"` or `"fr"`.
        target_language: Another one of them.

    Returns:
        Two lists of strings.

    Raises:
        DataError: If the split or a language is unknown, or both languages
            are the same.
    """
    for language in (source_language, target_language):
        if language not in LANGUAGES:
            raise DataError(
                f"The demo has the languages {', '.join(LANGUAGES)}. "
                f"Received: {language!r}"
            )
    if source_language == target_language:
        raise DataError(
            "The demo needs two different languages. "
            f"Received: {source_language!r} twice"
        )
    numbers = _numbers(split)
    return _words(numbers, source_language), _words(numbers, target_language)


def _numbers(split):
    # RandomState, because NumPy has frozen its stream for good.
    generator = np.random.RandomState(0)
    drawn = np.concatenate(
        [generator.randint(PARTS, 10**digits, 6_000) for digits in DIGITS]
    )
    drawn = generator.permutation(np.unique(drawn))
    splits = {
        "validation": drawn[:HELD_OUT],
        "test": drawn[HELD_OUT : 2 * HELD_OUT],
        "train": np.concatenate(
            [np.arange(PARTS), drawn[2 * HELD_OUT :][: TRAINED - PARTS]]
        ),
    }
    if split not in splits:
        raise DataError(
            "The demo has the splits train, validation and test. "
            f"Received: {split!r}"
        )
    return splits[split].tolist()


def _words(numbers, language):
    num2words = optional.load("num2words", "The demo").num2words
    return [num2words(number, lang=language) for number in numbers]
