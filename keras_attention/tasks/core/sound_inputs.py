"""Sounds as what an encoder takes: read, resampled, as log-mel frames."""

import os
import warnings

import numpy as np

from keras_attention.checks import is_real
from keras_attention.data.audio import (
    as_mono,
    frame_sizes,
    log_mel,
    num_frames,
    read_wav,
    resample,
)
from keras_attention.tasks.core.checks import check_positions, check_positive

_FRAME_MULTIPLE = 64  # of lengths that are compiled


class SoundInputs:
    """Turns sounds into batches for the encoder of a model.

    Args:
        encoder: the part of the model that reads frames.
        sampling_rate: integer, samples per second.
        num_mels: integer, numbers of a frame.
        max_seconds: number, the longest sound; longer ones are cut, with a
            warning that counts them.
        batch_size: integer, sounds of a batch at most.

    Attributes:
        settings: dictionary of these numbers, as JSON can hold them.
        max_samples: integer, samples of the longest sound.

    Raises:
        ValueError: if the encoder takes other frames, or a number is out of
            its range.
    """

    def __init__(
        self, encoder, sampling_rate, num_mels, max_seconds, batch_size
    ):
        check_positive(
            sampling_rate=sampling_rate,
            num_mels=num_mels,
            batch_size=batch_size,
        )
        if sampling_rate < 100:
            raise ValueError(
                "sampling_rate must be at least 100 samples per second. "
                f"Received: sampling_rate={sampling_rate}"
            )
        if not is_real(max_seconds) or not 0 < max_seconds < 1e6:
            raise ValueError(
                "max_seconds must be a positive number below a million. "
                f"Received: max_seconds={max_seconds!r}"
            )
        _check_frames(encoder, num_mels)
        self.settings = {
            "sampling_rate": sampling_rate,
            "num_mels": num_mels,
            "max_seconds": float(max_seconds),
            "batch_size": batch_size,
        }
        self.max_samples = max(
            round(max_seconds * sampling_rate), frame_sizes(sampling_rate)[0]
        )
        self.max_frames = num_frames(self.max_samples, sampling_rate)
        length = getattr(encoder.embedding, "length", int)
        check_positions(encoder, "max_seconds", length(self.max_frames))

    def read(self, sounds):
        """Reads sounds, brings them to one sampling rate and cuts them.

        Args:
            sounds: as of a task's call.

        Returns:
            `(sounds, is_one)`: a list of float32 `(samples,)`, and whether a
            single sound was given.

        Raises:
            ValueError: for what is no sound.
        """
        is_one = _is_one(sounds)
        rate = self.settings["sampling_rate"]
        given = [sounds] if is_one else list(sounds)
        pairs = [_read(sound, rate, index) for index, sound in enumerate(given)]
        others = [found for _, found in pairs if found != rate]
        if others:
            known = ", ".join(f"{x:,} Hz" for x in sorted(set(others))[:5])
            warnings.warn(
                f"Resampled {len(others)} of {len(given)} sounds from {known} "
                f"to {rate:,} Hz.",
                stacklevel=3,
            )
        most = self.max_samples
        found = [resample(samples, x, rate, most) for samples, x in pairs]
        num_cut = sum(len(x) > most for x in found)
        if num_cut:
            seconds = self.settings["max_seconds"]
            warnings.warn(
                f"Cut {num_cut} of {len(given)} sounds to "
                f"max_seconds={seconds}.",
                stacklevel=3,
            )
        return [samples[:most] for samples in found], is_one

    def batches(self, sounds, compiles_shapes=False):
        """Makes arrays that the model takes.

        Args:
            sounds: list of float32 `(samples,)`, from `read`.
            compiles_shapes: whether to keep to a few shapes.

        Yields:
            `(indices, frames, padding_mask)`: which sounds, float32
            `(batch, frames, num_mels)` and boolean `(batch, frames)`, with
            as many rows, or more. Sounds of no sample come in no batch.
        """
        order = np.argsort([len(x) for x in sounds], kind="stable")
        order = [index for index in order if len(sounds[index])]
        size = self.settings["batch_size"]
        rate, num_mels = (
            self.settings[name] for name in ("sampling_rate", "num_mels")
        )
        for first in range(0, len(order), size):
            chosen = order[first : first + size]
            rows = [log_mel(sounds[index], rate, num_mels) for index in chosen]
            count, length = len(rows), max(map(len, rows))
            if compiles_shapes:
                count = min(1 << (count - 1).bit_length(), size)
                length = -(-length // _FRAME_MULTIPLE) * _FRAME_MULTIPLE
                length = min(length, self.max_frames)
            yield chosen, *padded(rows, count, length)


def padded(rows, count, length):
    """Makes one array of frames, and the mask of what is sound.

    Args:
        rows: list of `(frames, num_mels)`, not empty.
        count, length: integers, the shape of the result. Rows that are
            missing repeat the first.

    Returns:
        `(frames, padding_mask)`: float32 `(count, length, num_mels)` and
        boolean `(count, length)`.
    """
    frames = np.zeros((count, length, rows[0].shape[-1]), "float32")
    mask = np.zeros((count, length), "bool")
    for index in range(count):
        row = rows[index] if index < len(rows) else rows[0]
        frames[index, : len(row)] = row
        mask[index, : len(row)] = True
    return frames, mask


def _is_pair(sound):
    """Whether something is `(samples, sampling_rate)`."""
    return (
        isinstance(sound, tuple)
        and len(sound) == 2
        and isinstance(sound[1], (int, np.integer))
        and np.ndim(sound[0]) > 0
    )


def _is_one(sounds):
    if isinstance(sounds, (str, os.PathLike)) or _is_pair(sounds):
        return True
    if not np.iterable(sounds) or isinstance(sounds, dict):
        raise ValueError(
            "sounds must be arrays, pairs of an array and its sampling rate, "
            f"or paths. Received: {sounds!r}"
        )
    # An array of any library.
    return getattr(sounds, "ndim", None) == 1


def _read(sound, sampling_rate, index):
    """Gives `(samples, sampling_rate)` of whatever stands for a sound."""
    if isinstance(sound, (str, os.PathLike)):
        return read_wav(sound)
    name = f"The samples of sound {index}"
    if not _is_pair(sound):
        if np.ndim(sound) != 1:
            raise ValueError(
                f"{name} must have the shape (samples,). Received: "
                f"{np.shape(sound)}. Of several channels give (samples, "
                "sampling_rate)."
            )
        return as_mono(sound, name), sampling_rate
    check_positive(sampling_rate=int(sound[1]))
    return as_mono(sound[0], name), int(sound[1])


def _check_frames(encoder, num_mels):
    """Refuses a model that takes no frames, or others."""
    part = getattr(encoder, "embedding", None)
    width = getattr(part, "num_mels", getattr(part, "dim", None))
    if width != num_mels:
        takes = "no frames" if width is None else f"frames of {width} numbers"
        raise ValueError(
            f"The {type(encoder).__name__} of the model takes {takes}; give "
            f"it embedding=AudioEmbedding(hidden_dim, {num_mels}). Received: "
            f"num_mels={num_mels}"
        )
