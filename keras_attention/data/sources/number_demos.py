"""Numbers that are seen or heard, with their words, without a download."""

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from keras_attention import optional
from keras_attention.data.audio import read_wav, resample
from keras_attention.data.errors import DataError
from keras_attention.data.images.distortion import distorted
from keras_attention.data.images.loading import load_images

LARGEST_LENGTH = 4  # digits of a number
_VARIANTS = 12  # of each digit of the training split, itself included
_CHANGES = 12, 0.12, 0.7  # degrees, share and pixels, at most
_ROWS = {"train": 20_000, "validation": 1_000, "test": 1_000}
_CLIPS = {"train": 4_000, "validation": 200, "test": 400}
_VOICES = [
    f"{language}{variant}"
    for language in ("en-us", "en-gb", "en-gb-scotland")
    for variant in ("", "+m3", "+m7", "+f2", "+f4")
]
_DIGITS = "zero one two three four five six seven eight nine".split()
RATE = 16_000


def load_digit_rows(split, count=None):
    """Draws numbers of one to four digits in scikit-learn's handwriting.

    The digits of the three splits are different ones. Those of training are
    also turned, scaled and moved a little.

    Args:
        split: `"train"`, `"validation"` or `"test"`.
        count: integer, how many; by default 20,000 for training and 1,000
            each for the others.

    Returns:
        `(images, texts)`: uint8 `(count, 8, 32, 1)` and a list of numbers in
        words.

    Raises:
        DataError: if the split is unknown.
    """
    digits, labels = load_images("demo", split)
    labels = np.array(labels, "int32")
    if split == "train":
        whole = digits.astype("float32")
        more = [
            np.round(distorted(whole, np.random.default_rng(seed), *_CHANGES))
            for seed in range(_VARIANTS - 1)
        ]
        digits = np.concatenate([digits, *more]).astype("uint8")
        labels = np.tile(labels, _VARIANTS)
    members = [np.flatnonzero(labels == digit) for digit in range(10)]
    generator = _generator(split)
    size = digits.shape[1]
    count = count or _ROWS[split]
    images = np.zeros((count, size, LARGEST_LENGTH * size, 1), "uint8")
    numbers = []
    for image in images:
        length = generator.randint(1, LARGEST_LENGTH + 1)
        first = 0 if length == 1 else 10 ** (length - 1)
        numbers.append(int(generator.randint(first, 10**length)))
        for place, digit in enumerate(str(numbers[-1])):
            chosen = generator.choice(members[int(digit)])
            image[:, place * size : (place + 1) * size] = digits[chosen]
    num2words = optional.load("num2words", "The demo").num2words
    return images, [num2words(number) for number in numbers]


def load_spoken_digits(split, count=None):
    """Lets espeak-ng speak one to four digits, in many voices.

    Voices, speed and pitch are drawn anew for each.

    Args:
        split: `"train"`, `"validation"` or `"test"`.
        count: integer, how many; by default 4,000, 200 and 400.

    Returns:
        `(sounds, texts)`: a list of float32 `(samples,)` of 16,000 a second,
        and a list of strings such as `"three seven"`.

    Raises:
        DataError: if the split is unknown, or espeak-ng is not installed.
    """
    if split not in _CLIPS:
        raise DataError(
            f"The demo has the splits {', '.join(_CLIPS)}. Received: {split!r}"
        )
    program = shutil.which("espeak-ng")
    if program is None:
        raise DataError(
            "The demo of speech needs the program espeak-ng, which is not "
            "installed: on Debian and Ubuntu, apt install espeak-ng."
        )
    generator = _generator(split)
    texts, commands = [], []
    for _ in range(count or _CLIPS[split]):
        length = generator.randint(1, LARGEST_LENGTH + 1)
        texts.append(" ".join(generator.choice(_DIGITS, length)))
        voice = generator.choice(_VOICES)
        speed, pitch = generator.randint(120, 220), generator.randint(20, 80)
        commands.append(
            [program, "-v", voice, "-s", str(speed), "-p", str(pitch)]
        )
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        paths = [Path(folder) / f"{index}.wav" for index in range(len(texts))]
        sounds = list(pool.map(_speak, commands, texts, paths))
    return sounds, texts


def _speak(command, text, path):
    done = subprocess.run(
        [*command, "-w", str(path), text], capture_output=True, text=True
    )
    if done.returncode:
        raise DataError(f"espeak-ng failed: {done.stderr.strip()}")
    samples, rate = read_wav(path)
    return resample(samples, rate, RATE)


def _generator(split):
    # RandomState, because NumPy has frozen its stream for good.
    return np.random.RandomState(list(_ROWS).index(split))
