"""Sound: WAV files, sampling rates and log-mel spectrograms."""

import functools
import math
import os
import warnings

import numpy as np

from keras_attention import optional
from keras_attention.data.errors import DataError

_PURPOSE = "Reading and resampling sound"
LEAST_POWER = 1e-10  # power, whose logarithm is still a number
# More is another axis than that of channels, or a damaged header.
_MOST_CHANNELS, _HIGHEST_RATE = 64, 10_000_000
_UNKNOWN_SIZE = 0xFFFFFFFF  # of a sound that was written as a stream


def read_wav(path):
    """Reads a WAV file: PCM of 8 to 64 bits, or floats.

    Args:
        path: of the file.

    Returns:
        `(samples, sampling_rate)`: float32 `(samples,)` from -1 to 1, the mean
        of the channels, and an integer, samples per second.

    Raises:
        DataError: if there is no such file, or it is broken or no WAV file.
            One that ends too early is read as far as it goes, with a warning.
    """
    wavfile = optional.load("scipy.io.wavfile", _PURPOSE)
    try:
        with warnings.catch_warnings():
            # Of chunks that hold no sound, such as titles.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except FileNotFoundError:
        raise DataError(f"There is no file {str(path)!r}.") from None
    except Exception as error:  # scipy has no one class of its own
        raise DataError(
            f"{str(path)!r} cannot be read as a WAV file: {error}"
        ) from error
    _warn_of_truncated(path)
    return as_mono(samples, str(path)), rate


def _warn_of_truncated(path):
    """Warns where a file is shorter than its header says."""
    with open(path, "rb") as file:
        header = file.read(8)
    order = "big" if header.startswith(b"RIFX") else "little"
    stated = int.from_bytes(header[4:], order)
    missing = stated + len(header) - os.path.getsize(path)
    # Some programs leave out the last byte, which fills up an odd size.
    if missing > 1 and stated != _UNKNOWN_SIZE:
        warnings.warn(
            f"{str(path)!r} ends {missing:,} bytes too early; it is read as "
            "far as it goes.",
            stacklevel=3,
        )


def as_mono(samples, name="samples"):
    """Mixes channels and brings integers to the range from -1 to 1.

    Args:
        samples: numbers `(samples,)` or `(samples, channels)`. Integers are
            PCM of their width; unsigned ones have their middle in the middle.
        name: what the error message calls them.

    Returns:
        float32 `(samples,)`.

    Raises:
        DataError: for another shape, or what is no finite real number.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
        raise DataError(
            f"{name} must hold numbers (samples,) or (samples, channels). "
            f"Received: {samples.dtype} of the shape {samples.shape}"
        )
    if samples.ndim == 2 and samples.shape[1] > _MOST_CHANNELS:
        raise DataError(
            f"{name} must have the channels as the last axis, at most "
            f"{_MOST_CHANNELS}. Received: the shape {samples.shape}"
        )
    if samples.dtype.kind in "iu":
        half = 2.0 ** (8 * samples.dtype.itemsize - 1)
        middle = half if samples.dtype.kind == "u" else 0.0
        samples = (samples.astype("float64") - middle) / half
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    samples = samples.astype("float32")
    if not np.isfinite(samples).all():
        raise DataError(
            f"{name} must hold finite numbers. Received: NaN or infinity"
        )
    return samples


def resample(samples, sampling_rate, target, most=None):
    """Brings sound to another sampling rate, by a polyphase filter.

    Args:
        samples: float32 `(samples,)`.
        sampling_rate: integer, its samples per second.
        target: integer, those of the result.
        most: integer, how many samples of a long sound are needed: of what
            lies behind them only a few are computed. None for all.

    Returns:
        float32 `(samples * target / sampling_rate,)`, rounded up.

    Raises:
        DataError: for a sampling rate that no sound has.
    """
    if not 0 < sampling_rate <= _HIGHEST_RATE:
        raise DataError(
            f"Sound has a sampling rate of at most {_HIGHEST_RATE:,} Hz. "
            f"Received: {sampling_rate:,} Hz"
        )
    if sampling_rate == target or not len(samples):
        return samples
    signal = optional.load("scipy.signal", _PURPOSE)
    divisor = math.gcd(sampling_rate, target)
    up, down = target // divisor, sampling_rate // divisor
    if most is not None:
        reach = 10 * max(up, down)  # of the filter, to either side
        samples = samples[: (most * down + reach) // up + 2]
    return signal.resample_poly(samples, up, down).astype("float32")


def log_mel(samples, sampling_rate=16_000, num_mels=80):
    """Computes the log-mel spectrogram that Whisper reads.

    A frame is 25 ms long, and one begins every 10 ms; its middle is where it
    stands, the sound mirrored at its ends. Logarithms lie in the range of 8
    (to the base of 10) below the largest, and are then brought to about -1
    to 1.

    Args:
        samples: float32 `(samples,)`, from -1 to 1. Less than a frame is
            filled up with zeros.
        sampling_rate: integer, samples per second.
        num_mels: integer, bands of frequencies.

    Returns:
        float32 `(frames, num_mels)`, where frames are `num_frames`.

    Reference:
        Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak
        Supervision, https://arxiv.org/abs/2212.04356
    """
    frame, hop = frame_sizes(sampling_rate)
    samples = np.asarray(samples, "float64")
    samples = np.pad(samples, (0, max(0, frame - len(samples))))
    padded = np.pad(samples, frame // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    frames = frames[: num_frames(len(samples), sampling_rate)]
    power = np.abs(np.fft.rfft(frames * hann_window(frame))) ** 2
    mels = power @ mel_filters(sampling_rate, num_mels)
    logarithms = np.log10(np.maximum(mels, LEAST_POWER))
    logarithms = np.maximum(logarithms, logarithms.max() - 8)
    return ((logarithms + 4) / 4).astype("float32")


def frame_sizes(sampling_rate):
    """Gives the samples of a frame, and those from one to the next."""
    return round(0.025 * sampling_rate), round(0.01 * sampling_rate)


def num_frames(num_samples, sampling_rate=16_000):
    """Counts the frames of `log_mel`."""
    frame, hop = frame_sizes(sampling_rate)
    return max(num_samples, frame) // hop


def hann_window(size):
    """The periodic window of Hann, `(size,)`."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


@functools.lru_cache(maxsize=16)
def mel_filters(sampling_rate, num_mels):
    """Makes the triangular filters of Slaney, each of one area.

    Args:
        sampling_rate: integer, samples per second.
        num_mels: integer, how many, from 0 Hz to half the rate.

    Returns:
        float64 `(frequencies, num_mels)`.

    Reference:
        Slaney 1998, Auditory Toolbox, Version 2, Technical Report 1998-010,
        Interval Research Corporation
    """
    top = sampling_rate / 2
    edges = _hertz(np.linspace(0, _mel(top), num_mels + 2))
    frame, _ = frame_sizes(sampling_rate)
    frequencies = np.linspace(0, top, frame // 2 + 1)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    filters = np.maximum(0, np.minimum(rising, falling))
    return filters * (2 / (high - low))


# Slaney's mels are linear up to 1,000 Hz, which is 15, and then logarithmic:
# 27 of them for a factor of 6.4.
def _mel(hertz):
    if hertz < 1000:
        return 3 * hertz / 200
    return 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _hertz(mels):
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
