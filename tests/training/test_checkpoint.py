import os

import keras
import numpy as np
import pytest

from keras_attention.training import (
    Checkpoint,
    CheckpointError,
    InverseSquareRootSchedule,
    Position,
    resume_fit,
)
from tests.training.tiny import TinyBatches, state_of, tiny_model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a checkpoint after one epoch."""
    path = tmp_path_factory.mktemp("written") / "state.npz"
    resume_fit(
        tiny_model(), TinyBatches(), Checkpoint(path), epochs=1, verbose=0
    )
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, written):
    path = tmp_path / "state.npz"
    path.write_bytes(written)
    return path


def assert_refused(path, model, message):
    before = [value.copy() for value in state_of(model)]
    with pytest.raises(CheckpointError, match=message) as refusal:
        Checkpoint(path).restore(model, TinyBatches())
    assert str(path) in str(refusal.value)
    after = state_of(model)[: len(before)]
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_is_restored_where_there_is_no_file(tmp_path):
    position = Checkpoint(tmp_path / "none.npz").restore(
        tiny_model(), TinyBatches()
    )
    assert position == Position(epoch=0, batch=0, stopped=False)


def test_the_position_is_behind_the_last_epoch(path):
    position = Checkpoint(path).restore(tiny_model(), TinyBatches())
    assert position == Position(epoch=1, batch=0, stopped=False)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(path, written, share):
    path.write_bytes(written[: int(share * len(written))])
    assert_refused(path, tiny_model(), "truncated or no checkpoint")


def test_damage_in_the_middle_is_refused(path, written):
    middle = written.index(b"model/0.npy") + 300
    path.write_bytes(written[:middle] + b"damage" + written[middle + 6 :])
    assert_refused(path, tiny_model(), "truncated or no checkpoint")


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_a_file_of_something_else_is_refused(path, save):
    with open(path, "wb") as file:
        save(file, np.ones(7))
    assert_refused(path, tiny_model(), "truncated or no checkpoint")


def compiled(*layers, optimizer="adam"):
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *layers])
    model.compile(optimizer, "mse")
    return model


def test_the_first_difference_of_another_model_is_named(path):
    other = compiled(keras.layers.Embedding(23, 8))
    assert_refused(
        path, other, r"model variable 0.*\(23, 7\).*there.*\(23, 8\).*here"
    )
    other = compiled(keras.layers.Embedding(23, 7))
    assert_refused(path, other, r"model variables.*1 here.*seed_generator")
    other = tiny_model(
        keras.optimizers.RMSprop(InverseSquareRootSchedule(0.02, 7))
    )
    assert_refused(path, other, "optimizer variable.*momentum.*velocity")


def test_a_checkpoint_of_another_backend_is_refused(path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    with pytest.raises(CheckpointError, match="backend.*'another'"):
        Checkpoint(path).restore(tiny_model(), TinyBatches())


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_while_writing_leaves_the_previous_checkpoint(
    path, written, moment, monkeypatch
):
    def fail(*_):
        raise OSError("the machine is gone")

    checkpoint = Checkpoint(path)
    model, data = tiny_model(), TinyBatches()
    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(OSError, match="machine is gone"):
        resume_fit(model, data, checkpoint, epochs=2, verbose=0)
    assert path.read_bytes() == written
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("every_steps", [0, -3, 1.5, "epoch"])
def test_impossible_steps_are_refused(every_steps):
    with pytest.raises(ValueError, match="`every_steps`"):
        Checkpoint("state.npz", every_steps=every_steps)
