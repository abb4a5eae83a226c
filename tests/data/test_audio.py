"""Sound against scipy's files and the features of transformers."""

import numpy as np
import pytest

from keras_attention.data import audio
from tests.tools import only

pytest.importorskip("scipy", reason="reads and resamples sound")


def noise(length, seed=0):
    generator = np.random.default_rng(seed)
    sound = np.convolve(generator.normal(size=length + 6), np.ones(7), "valid")
    return np.tanh(0.1 * sound).astype("float32")


@pytest.mark.parametrize(
    ("length", "num_mels"),
    only([(12_345, 80)], [(12_345, 80), (401, 80), (16_001, 128)]),
)
def test_frames_are_those_of_whisper(length, num_mels):
    transformers = pytest.importorskip("transformers", reason="the oracle")
    extractor = transformers.WhisperFeatureExtractor(num_mels)
    sound = noise(length)
    sound[200:2_000] *= 1e-4
    expected = extractor(
        sound, sampling_rate=16_000, padding="do_not_pad", return_tensors="np"
    )["input_features"][0]
    found = audio.log_mel(sound, num_mels=num_mels)
    assert found.shape == (audio.num_frames(length), num_mels)
    np.testing.assert_allclose(found, expected.T, atol=1e-4)


def test_short_sounds_are_filled_up():
    sound = noise(150)
    full = np.pad(sound, (0, 250))
    np.testing.assert_array_equal(audio.log_mel(sound), audio.log_mel(full))
    assert len(audio.log_mel(sound)) == audio.num_frames(150) == 2


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "float32", "float64"]
)
def test_wav_files_of_all_widths_give_the_same_sound(dtype, tmp_path):
    from scipy.io import wavfile

    sound = 0.9 * noise(500)
    channels = np.stack([sound, -0.5 * sound], axis=1)
    if dtype.startswith("f"):
        written, accuracy = channels.astype(dtype), 1e-6
    else:
        half = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        middle = 128 if dtype == "uint8" else 0
        written = np.round(channels * half + middle).astype(dtype)
        accuracy = 1 / half + 1e-6
    wavfile.write(tmp_path / "a.wav", 8_000, written)
    found, rate = audio.read_wav(tmp_path / "a.wav")
    assert rate == 8_000 and found.dtype == "float32"
    np.testing.assert_allclose(found, 0.25 * sound, atol=accuracy)


def test_24_bits_are_read(tmp_path):
    import wave

    sound = 0.9 * noise(300)
    numbers = np.round(sound * 2**23).astype("<i4")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(16_000)
        file.writeframes(
            b"".join(int(x).to_bytes(3, "little", signed=True) for x in numbers)
        )
    found, _ = audio.read_wav(tmp_path / "a.wav")
    np.testing.assert_allclose(found, sound, atol=1e-6)


def test_a_tone_keeps_its_frequency_when_resampled():
    seconds = np.arange(22_050) / 22_050
    tone = np.sin(2 * np.pi * 441 * seconds).astype("float32")
    found = audio.resample(tone, 22_050, 16_000)
    assert len(found) == 16_000
    expected = np.sin(2 * np.pi * 441 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=2e-3)


def write_wav(path, samples, rate):
    from scipy.io import wavfile

    wavfile.write(path, rate, samples)
    return path


def test_a_file_that_ends_too_early_is_said(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(500), 8_000)
    whole, _ = audio.read_wav(path)
    content = path.read_bytes()
    path.write_bytes(content[:-400])
    with pytest.warns(UserWarning, match="ends 400 bytes too early"):
        found, _ = audio.read_wav(path)
    np.testing.assert_array_equal(found, whole[:-100])
    # Who writes a stream does not know its size.
    path.write_bytes(content[:4] + b"\xff" * 4 + content[8:-400])
    np.testing.assert_array_equal(audio.read_wav(path)[0], found)


def test_what_no_sound_can_be_is_refused(tmp_path):
    for rate in (0, 10**9):
        path = write_wav(tmp_path / "a.wav", noise(9), rate)
        samples, found = audio.read_wav(path)
        with pytest.raises(ValueError, match="sampling rate of at most"):
            audio.resample(samples, found, 16_000)
    with pytest.raises(ValueError, match="channels as the last axis"):
        audio.as_mono(np.zeros((2, 500)))


def test_a_long_sound_is_resampled_as_far_as_it_is_needed(monkeypatch):
    from scipy import signal

    sound, read = noise(20_000), []
    for rate, target in ((8_000, 16_000), (44_100, 16_000), (3, 2)):
        whole = audio.resample(sound, rate, target)
        plain = signal.resample_poly

        def count(samples, *arguments, plain=plain):
            read.append(len(samples))
            return plain(samples, *arguments)

        monkeypatch.setattr(signal, "resample_poly", count)
        found = audio.resample(sound, rate, target, most=300)
        monkeypatch.undo()
        assert len(found) > 300
        np.testing.assert_array_equal(found[:300], whole[:300])
    assert max(read) < 1_000
