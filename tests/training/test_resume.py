"""Runs that are broken off by an error, within this process, and resumed."""

import contextlib

import keras
import numpy as np
import pytest

from keras_attention.training import (
    BestWeights,
    Checkpoint,
    CheckpointError,
    CSVLog,
    InverseSquareRootSchedule,
    LastWeights,
    load_weights,
    resume_fit,
)
from tests.tools import few, only
from tests.training.tiny import (
    NUM_BATCHES,
    TinyBatches,
    state_of,
    tiny_model,
)


class Broken(Exception):
    pass


class BreakAfter(keras.callbacks.Callback):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        self.batches -= 1
        if self.batches == 0:
            raise Broken


def run(
    folder,
    make_model=tiny_model,
    epochs=3,
    every_steps=1,
    breaks=(),
    callbacks=tuple,
    data=TinyBatches,
):
    """Starts over after each break; returns the last model and history."""
    for batches in [*breaks, 0]:
        model = make_model()
        try:
            history = resume_fit(
                model,
                data(),
                Checkpoint(folder / "state.npz", every_steps=every_steps),
                epochs=epochs,
                callbacks=[*callbacks(), BreakAfter(batches)],
                verbose=0,
            )
        except Broken:
            continue
    return model, history


def assert_same_state(model, other):
    for ours, theirs in zip(state_of(model), state_of(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return run(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize(
    "every_steps, breaks",
    [
        (2, [4, 1, 3]),
        pytest.param(3, [NUM_BATCHES], marks=pytest.mark.full),
        pytest.param(None, [8], marks=pytest.mark.full),
    ],
)
def test_a_broken_run_ends_as_an_unbroken_one(
    tmp_path, unbroken, every_steps, breaks
):
    expected, history = unbroken
    model, resumed = run(tmp_path, every_steps=every_steps, breaks=breaks)
    assert_same_state(model, expected)
    # The metrics of the epochs that were cut are those of whole epochs.
    assert resumed.epoch == history.epoch == [0, 1, 2]
    assert resumed.history.keys() == history.history.keys()
    for name, values in history.history.items():
        np.testing.assert_allclose(
            resumed.history[name], values, rtol=1e-5, err_msg=name
        )


@pytest.mark.full
def test_resuming_goes_on_rather_than_starting_over(tmp_path):
    steps = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(int(self.model.optimizer.iterations))

    run(tmp_path, breaks=[7], callbacks=lambda: [Count()], every_steps=1)
    # The batch of the break comes before the checkpoint of that batch.
    assert steps == [*range(1, 8), *range(7, 3 * NUM_BATCHES + 1)]


def adam_with_average():
    return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5)


def accumulating():
    return keras.optimizers.AdamW(0.01, gradient_accumulation_steps=3)


@pytest.mark.full
@pytest.mark.parametrize(
    "make_model",
    [
        pytest.param(
            lambda: tiny_model(dtype="mixed_float16"), id="mixed_float16"
        ),
        pytest.param(lambda: tiny_model(dtype="bfloat16"), id="bfloat16"),
        pytest.param(lambda: tiny_model(adam_with_average()), id="average"),
        pytest.param(lambda: tiny_model(accumulating()), id="accumulating"),
        pytest.param(lambda: tiny_model(built=False), id="unbuilt"),
    ],
)
def test_every_part_of_the_state_is_resumed(tmp_path, make_model):
    expected, _ = run(tmp_path / "a", make_model, epochs=2)
    model, _ = run(tmp_path / "b", make_model, epochs=2, breaks=[3])
    assert_same_state(model, expected)


class Unseeded(keras.layers.Layer):
    """Draws from Keras' global generator, which belongs to no layer."""

    def call(self, x, training=False):
        if training:
            return x * keras.random.uniform((1,))
        return x


@pytest.mark.full
@pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="Keras refuses unseeded draws inside compiled JAX functions",
)
def test_random_numbers_without_a_seed_are_resumed(tmp_path):
    def make_model():
        keras.utils.set_random_seed(29)
        model = keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                keras.layers.Embedding(23, 5),
                Unseeded(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(23),
            ]
        )
        model.compile("adam", tiny_model().loss)
        keras.utils.set_random_seed(31)
        return model

    expected, _ = run(tmp_path / "a", make_model, epochs=2)
    model, _ = run(tmp_path / "b", make_model, epochs=2, breaks=[3])
    assert_same_state(model, expected)


@pytest.mark.full
def test_a_finished_run_is_not_trained_again(tmp_path):
    def callbacks():
        return [CSVLog(tmp_path / "log.csv"), LastWeights(tmp_path / "last")]

    model, history = run(tmp_path, callbacks=callbacks)
    log = (tmp_path / "log.csv").read_text()
    again, same = run(tmp_path, callbacks=callbacks)
    assert_same_state(again, model)
    assert same.history == history.history
    assert (tmp_path / "log.csv").read_text() == log
    assert len(log.splitlines()) == 1 + 3


@pytest.mark.full
def test_more_epochs_go_on_from_a_finished_run(tmp_path, unbroken):
    expected, _ = unbroken
    run(tmp_path, epochs=1)
    model, history = run(tmp_path, epochs=3)
    assert_same_state(model, expected)
    assert history.epoch == [0, 1, 2]


class Judge(keras.callbacks.Callback):
    """A monitored quantity that a recipe computes itself."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_bleu"] = [3.0, 5.0, 4.0, 4.5, 4.0, 6.0, 7.0][epoch]


@pytest.mark.parametrize("breaks", few([[], [17, 3]], mark="full"))
def test_early_stopping_counts_its_patience_across_a_restart(tmp_path, breaks):
    best = tmp_path / "best.weights.h5"
    third = tmp_path / "last/epoch-0002.weights.h5"

    def callbacks():
        return [
            Judge(),
            BestWeights(best, monitor="val_bleu", mode="max", patience=3),
            LastWeights(tmp_path / "last", keep=10),
        ]

    model, history = run(tmp_path, epochs=7, breaks=breaks, callbacks=callbacks)
    assert history.epoch == [0, 1, 2, 3, 4]
    load_weights(model, third)
    expected = model.get_weights()
    load_weights(model, best)
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    # Stopped is stopped: the same command does not go on.
    _, history = run(tmp_path, epochs=7, callbacks=callbacks)
    assert history.epoch == [0, 1, 2, 3, 4]


@pytest.mark.full
def test_any_data_that_can_start_within_an_epoch_will_do(tmp_path):
    class Plain(keras.utils.PyDataset):
        """What Keras itself offers, with the one method more."""

        def __init__(self):
            super().__init__()
            self.start_at(0, 0)

        def start_at(self, epoch, batch):
            self.batches = TinyBatches(num_batches=4)
            self.batches.start_at(epoch, batch)

        def __len__(self):
            return len(self.batches)

        def __getitem__(self, index):
            return [array[:, :3] for array in self.batches[index]]

    expected, _ = run(tmp_path / "a", data=Plain, epochs=2)
    model, _ = run(tmp_path / "b", data=Plain, epochs=2, breaks=[3, 4])
    assert_same_state(model, expected)


def test_data_that_cannot_start_within_an_epoch_is_refused(tmp_path):
    class Plain(keras.utils.PyDataset):
        def __len__(self):
            return 3

    with pytest.raises(ValueError, match=r"start_at\(epoch, batch\).*Plain"):
        run(tmp_path, data=Plain)


@pytest.mark.full
def test_the_schedule_goes_on_where_it_was(tmp_path):
    rates = []

    class Rate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    run(tmp_path, breaks=[7], epochs=2, callbacks=lambda: [Rate()])
    schedule = InverseSquareRootSchedule(0.02, 7)
    assert rates == pytest.approx([float(schedule(5)), float(schedule(10))])


class Counted(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


@pytest.mark.parametrize("steps", only([1], [1, NUM_BATCHES, NUM_BATCHES + 2]))
def test_training_ends_after_so_many_steps(tmp_path, steps):
    model, counted = tiny_model(), Counted()
    arguments = {"callbacks": [counted], "verbose": 0}
    file = tmp_path / "state.npz"
    resume_fit(model, TinyBatches(), Checkpoint(file), steps=steps, **arguments)
    assert counted.batches == steps == int(model.optimizer.iterations)
    # Done is done, and more can be asked for.
    for more in (steps, 2 * NUM_BATCHES + 1):
        model = tiny_model()
        resume_fit(
            model, TinyBatches(), Checkpoint(file), steps=more, **arguments
        )
        if more == steps:
            assert counted.batches == steps
    assert counted.batches > steps


@pytest.mark.full
def test_a_broken_run_ends_after_as_many_steps(tmp_path):
    steps = NUM_BATCHES + 3
    for batches in (NUM_BATCHES + 2, 0):  # into the second epoch
        model, counted = tiny_model(), Counted()
        checkpoint = Checkpoint(tmp_path / "state.npz", every_steps=1)
        with contextlib.suppress(Broken):
            resume_fit(
                model,
                TinyBatches(),
                checkpoint,
                steps=steps,
                callbacks=[counted, BreakAfter(batches)],
                verbose=0,
            )
    # The batch of the break comes before the checkpoint of that batch.
    assert counted.batches == 2
    assert int(model.optimizer.iterations) == steps


def test_other_data_is_refused(tmp_path):
    file, model = tmp_path / "state.npz", tiny_model()
    first, second = TinyBatches(), TinyBatches(seed=4)
    first.fingerprint, second.fingerprint = "one", "two"
    resume_fit(model, first, Checkpoint(file), epochs=1, verbose=0)
    with pytest.raises(CheckpointError, match="other data"):
        resume_fit(model, second, Checkpoint(file), epochs=2, verbose=0)


def test_the_length_is_said_once(tmp_path):
    for length in ({}, {"epochs": 1, "steps": 1}):
        with pytest.raises(ValueError, match="`epochs` and `steps`"):
            resume_fit(tiny_model(), TinyBatches(), None, **length)
