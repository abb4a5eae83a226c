"""What a `SpeechToText` answers, against the model fed as a whole."""

import warnings

import numpy as np
import pytest

from keras_attention import attention_maps
from keras_attention.data.audio import log_mel
from keras_attention.tasks import SpeechToText, load
from tests.tasks import tiny
from tests.tasks.sequence_to_sequence import seeing
from tests.tasks.sequence_to_sequence.test_image_to_text import (
    scores_by_whole_passes,
)
from tests.tools import near

pytest.importorskip("scipy", reason="reads and resamples sound")
LENGTHS = 1_201, 40, 700, 0, 1_777, 333, 1_009


@pytest.fixture(scope="module")
def task():
    return seeing.speech_task()


@pytest.mark.full
def test_scores_are_those_of_each_sound_alone(task):
    sounds = seeing.sounds(*LENGTHS)
    token_ids, scores = task.generate(sounds)
    expected = []
    for sound, row in zip(sounds, token_ids, strict=True):
        if not len(sound):
            expected.append(0.0)
            continue
        frames = log_mel(sound, seeing.RATE, seeing.MELS)[None]
        inputs = {"source_ids": frames}
        expected += scores_by_whole_passes(task, inputs, row[None])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    texts = task(sounds)
    assert len(set(texts)) > 2 and texts[3] == ""
    assert np.ptp(scores) > 0.01
    assert task(sounds[4]) == texts[4]
    assert task([]) == []
    answer = task(sounds[0], return_scores=True)
    assert answer["text"] == texts[0]
    assert answer["score"] == pytest.approx(scores[0], abs=1e-5)


@pytest.mark.full
def test_wav_files_and_other_rates_are_read_and_said(task, tmp_path):
    from scipy.io import wavfile

    (sound,) = seeing.sounds(1_500)
    path = tmp_path / "a.wav"
    pcm = np.round(sound * 32_000).astype("int16")
    wavfile.write(path, seeing.RATE, pcm)
    same = task(pcm), task((pcm, seeing.RATE)), task(path), task(str(path))
    assert len(set(same)) == 1
    both = np.stack([pcm, pcm], axis=1)
    assert task((both, seeing.RATE)) == same[0]
    fast = np.repeat(sound, 4)
    with pytest.warns(UserWarning, match=r"2 of 3 sounds from 4,000 Hz, 8,000"):
        texts = task([sound, (fast, 8_000), (fast[::2], 4_000)])
    assert texts[0] == task(sound)


def test_long_sounds_are_cut_and_counted(task):
    long, short = seeing.sounds(5_000, 500)
    with pytest.warns(UserWarning, match="Cut 1 of 2 sounds to max_seconds"):
        texts = task([long, short])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert texts == task([long[:1_800], short])


def test_a_saved_task_answers_the_same(task, tmp_path):
    task.save(tmp_path / "task")
    loaded = load(tmp_path / "task")
    assert isinstance(loaded, SpeechToText)
    sounds = seeing.sounds(*LENGTHS)
    assert loaded(sounds) == task(sounds)
    assert "sampling_rate=2000" in repr(loaded)


def test_what_is_no_sound_is_refused(task, tmp_path):
    for given, message in (
        ("missing.wav", "There is no file"),
        (3.0, "sounds must be"),
        ({"array": np.zeros(9), "sampling_rate": 2_000}, "sounds must be"),
        ([np.zeros((3, 2))], r"sound 0 must have the shape \(samples,\)"),
        (np.array([0.5, np.nan]), "finite"),
        ((np.zeros(30), 0), "sampling_rate must be a positive"),
    ):
        with pytest.raises(ValueError, match=message):
            task(given)
    path = tmp_path / "text.wav"
    path.write_text("no sound at all")
    with pytest.raises(ValueError, match="cannot be read as a WAV file"):
        task(path)
    with pytest.raises(ValueError, match="takes no frames"):
        SpeechToText(tiny.model(), tiny.tokenizer())
    with pytest.raises(ValueError, match="frames of 7 numbers"):
        SpeechToText(task.model, tiny.tokenizer())
    with pytest.raises(ValueError, match="max_seconds must be"):
        seeing.speech_task(max_seconds=0)


@pytest.mark.full
def test_attention_shows_which_sound_a_word_came_from(task):
    sounds = seeing.sounds(900, 400, 0)
    maps = attention_maps(task, sounds)
    name = "decoder/block_0/cross_attention"
    near(maps[name][:2].sum(axis=-1), np.ones(maps[name][:2].shape[:-1]))
    for index in (0, 1):
        alone = attention_maps(task, sounds[index])[name]
        _, _, queries, keys = alone.shape
        near(alone[0], maps[name][index, :, :queries, :keys])
        assert not maps[name][index, :, :, keys:].any()
    with pytest.raises(ValueError, match="No input has anything"):
        attention_maps(task, sounds[2:])
