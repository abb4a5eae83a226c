"""What the benchmarks are made of."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_attention import attention
from tests.tools import BACKEND, ROOT

FOLDER = ROOT / "recipes" / "benchmarks"


def script(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


# What does not reach far enough, or too few of the keys: as it should be.
UNSOLVED = {
    "block_sparse": {"recall", "far"},
    "shifted_window": {"far", "near"},
    "sliding_window": {"recall", "far"},
    "sparse_transformer": {"recall"},
}


@pytest.fixture(scope="module")
def extrapolation():
    return script("extrapolation")


@pytest.fixture(scope="module")
def quality():
    return script("attention_quality")


def test_recall_asks_for_the_values_of_the_pairs(quality):
    tokens, answers = quality.recall_examples(np.random.default_rng(3), 50)
    pairs, asked = np.split(tokens - 1, 2, axis=1)
    keys, values = np.divmod(pairs - quality.KEYS, quality.VALUES)
    assert (answers[:, : quality.PAIRS] == 0).all()
    told = answers[:, quality.PAIRS :] - 1
    for row in range(50):
        known = dict(zip(keys[row], values[row], strict=True))
        assert len(known) == quality.PAIRS
        assert [known[key] for key in asked[row]] == list(told[row])


@pytest.mark.parametrize("near", [False, True])
def test_one_mark_stands_near_or_far(quality, near):
    tokens, marks = quality.mark_examples(np.random.default_rng(3), 50, near)
    is_mark = (tokens >= 1) & (tokens <= quality.MARKS)
    assert (is_mark.sum(axis=1) == 1).all()
    rows, places = np.nonzero(is_mark)
    np.testing.assert_array_equal(tokens[rows, places] - 1, marks)
    assert places.min() >= (1 if near else 36) and (places < 5).all() == near


@pytest.mark.slow
@pytest.mark.parametrize("name", attention.compatibility())
def test_each_flavour_learns_what_it_can_see(quality, name):
    for task, score in quality.scores(name).items():
        if score is not None:
            solved = score >= quality.SOLVED
            assert solved == (task not in UNSOLVED.get(name, ())), task


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="one backend is enough")
def test_encodings_are_compared_and_a_stopped_run_goes_on(
    extrapolation, tmp_path, capsys
):
    settings = extrapolation.Settings(
        positions=("none",),
        length=7,
        lengths=(7, 13),
        steps=2,
        batch=3,
        num_layers=1,
        hidden_dim=8,
        num_heads=2,
        scored=200,
        output=tmp_path,
    )
    extrapolation.main(settings)
    path = tmp_path / "extrapolation.json"
    first = json.loads(path.read_text())["losses"]
    assert set(first) == {"none"} and set(first["none"]) == {"7", "13"}
    assert all(0 < loss < 10 for loss in first["none"].values())
    settings.positions = ("none", "rotary")
    extrapolation.main(settings)
    again = json.loads(path.read_text())["losses"]
    assert again["none"] == first["none"] and set(again) == {"none", "rotary"}
    assert "| `rotary` |" in capsys.readouterr().out
    assert (tmp_path / "extrapolation.png").stat().st_size > 1000
    settings.steps = 3
    with pytest.raises(SystemExit, match="other options"):
        extrapolation.main(settings)


def test_training_and_validation_are_other_modules(extrapolation):
    training, validation = extrapolation.read_sources()
    assert len(training) > 4 * len(validation) > 10**5
    assert training.min() > 0 and training.max() < extrapolation.VOCABULARY
    text, piece = (x.astype("uint8").tobytes() for x in (training, validation))
    assert piece[5000:5200] not in text


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow counts")
def test_memory_is_measured_where_tensorflow_does_not_count(monkeypatch):
    from tensorflow.config import experimental

    def refuse(device):  # as it does without oneDNN
        raise ValueError(f"Cannot reset memory stats for device '{device}'")

    for name in ("get_memory_info", "reset_memory_stats"):
        monkeypatch.setattr(experimental, name, refuse)
    case = script("attention_case")
    before = case._reset_peak()
    held = np.ones(2**22)
    assert case._peak() - before >= held.nbytes // 2


@pytest.mark.parametrize("name", ["multi_head", "pooling"])
def test_the_core_of_a_flavour_is_called_as_in_its_layer(name):
    layer = attention.get(name, num_heads=2)
    layer(np.ones((1, 8, 6), "float32"))
    function, tensors = script("attention_case")._attend(layer, 8, 6, False)
    assert function(*tensors).shape[0] == 1


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="oneDNN of TensorFlow")
@pytest.mark.parametrize("with_onednn", ["0", "1"])
def test_lengths_are_measured_with_onednn_and_without(with_onednn):
    command = [sys.executable, FOLDER / "attention_length.py"]
    options = "--case multi_head --lengths 64 512 --seconds 0.01".split()
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": with_onednn},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    short, long = (json.loads(line) for line in done.stdout.splitlines())
    assert long["training_mib"] > max(short["training_mib"], 1)
