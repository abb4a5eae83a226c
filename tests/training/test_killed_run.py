"""Runs that are killed with SIGKILL end as runs that are not."""

import csv
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.training.tiny import NUM_BATCHES

EPOCHS = 4
ROOT = pathlib.Path(__file__).parents[2]


def start(folder):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.training.killed_run"),
            *(str(folder), str(EPOCHS)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def kill_after(process, batches, seconds):
    for line in process.stdout:
        batches -= line == "batch\n"
        if batches <= 0:
            break
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def rows(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def written_epochs(folder):
    pytest.importorskip("tensorboard", reason="reads TensorBoard's files")
    from tensorboard.backend.event_processing import event_accumulator

    files = event_accumulator.EventAccumulator(str(folder)).Reload()
    return {event.step for event in files.Tensors("epoch_loss")}


def run_killed(folder, moments):
    for batches, seconds in moments:
        kill_after(start(folder), batches, seconds)
    finish(start(folder))


def check_same(reference, killed):
    expected = np.load(reference / "final.npz")
    actual = np.load(killed / "final.npz")
    assert expected.files == actual.files
    for name in expected.files:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-6)

    assert [row["epoch"] for row in rows(killed)] == list("0123")
    for ours, theirs in zip(rows(killed), rows(reference), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"tokens_per_second"}:
            assert float(ours[name]) == pytest.approx(
                float(theirs[name]), abs=1e-5
            ), name

    assert written_epochs(killed / "tensorboard/train") == {0, 1, 2, 3}
    left = {p.name for p in killed.rglob("*") if p.is_file()}
    assert {name for name in left if not name.startswith("events.")} == {
        "best.weights.h5",
        "checkpoint.npz",
        "epoch-0003.weights.h5",
        "epoch-0004.weights.h5",
        "final.npz",
        "metrics.csv",
    }


@pytest.mark.full
def test_a_run_killed_within_an_epoch_ends_with_the_same_weights(tmp_path):
    uninterrupted = start(tmp_path / "reference")
    # Within the first epoch behind a checkpoint, then within the third.
    run_killed(tmp_path / "killed", [(3, 0.01), (9, 0.0)])
    finish(uninterrupted)
    check_same(tmp_path / "reference", tmp_path / "killed")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path):
    uninterrupted = start(tmp_path / "reference")
    moments = [
        (random.randint(0, 2 * NUM_BATCHES), random.uniform(0, 0.1))
        for _ in range(6)
    ]
    run_killed(tmp_path / "killed", moments)
    finish(uninterrupted)
    check_same(tmp_path / "reference", tmp_path / "killed")
