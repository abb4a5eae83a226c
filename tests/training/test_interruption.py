"""Ctrl-C and SIGTERM: a checkpoint first, and nothing of the run is lost."""

import os
import signal
import subprocess
import sys

import keras
import pytest

from keras_attention.training import Checkpoint, resume_fit
from keras_attention.training.interruption import handle_signals
from tests.tools import WITHOUT_KERAS
from tests.training.test_resume import assert_same_state
from tests.training.tiny import NUM_BATCHES, TinyBatches, tiny_model


class Signal(keras.callbacks.Callback):
    """Sends this process a signal at a batch, counted over all epochs."""

    def __init__(self, number, at, hook):
        super().__init__()
        self.number, self.at, self.hook, self.done = number, at, hook, 0

    def on_train_batch_begin(self, batch, logs=None):
        self.done += 1
        if self.hook == "training":
            self.send()

    def on_test_batch_begin(self, batch, logs=None):
        if self.hook == "validation":
            self.send()

    def send(self):
        if self.done == self.at:
            self.at = None
            os.kill(os.getpid(), self.number)


def train(folder, every_steps=None, callbacks=(), epochs=3):
    model = tiny_model()
    history = resume_fit(
        model,
        TinyBatches(),
        Checkpoint(folder / "state.npz", every_steps=every_steps),
        epochs=epochs,
        callbacks=callbacks,
        validation_data=TinyBatches(seed=7, num_batches=2),
        verbose=0,
    )
    return model, history


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return train(tmp_path_factory.mktemp("unbroken"))


@pytest.fixture
def handled():
    """The usual handlers; those of before are put back in the end."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    # Whoever started the tests may have had them ignore signals.
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    for number, handler in usual.items():
        signal.signal(number, handler)
    yield usual
    for number, handler in before.items():
        signal.signal(number, handler)


# Where the signal comes, and the batch from which the next run goes on.
MOMENTS = {
    "within an epoch": ("training", NUM_BATCHES + 2, NUM_BATCHES + 2),
    "in the first batch": ("training", 1, 1),
    # Nothing could go on from behind the last batch, which is run again.
    "in the last batch": ("training", NUM_BATCHES, NUM_BATCHES - 1),
    "in the validation": ("validation", NUM_BATCHES, NUM_BATCHES - 1),
}


@pytest.mark.full
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_to_go_on_from(
    tmp_path, unbroken, handled, capsys, number, moment
):
    hook, at, batches = MOMENTS[moment]
    ends = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with pytest.raises(ends) as ended:
        # Further apart than the epochs are long: the signal alone saves.
        train(tmp_path, 100, [Signal(number, at, hook)])
    told = f"batch {batches % NUM_BATCHES + 1} with {tmp_path}"
    if number == signal.SIGINT:
        assert told in str(ended.value)
    else:
        assert ended.value.code == 143
        errors = capsys.readouterr().err
        assert errors.startswith("terminated: training goes on from epoch")
        assert told in errors and errors.count("\n") == 1
    assert {n: signal.getsignal(n) for n in handled} == handled

    expected, history = unbroken
    count = Signal(number, None, "")
    model, resumed = train(tmp_path, 100, [count])
    assert count.done == 3 * NUM_BATCHES - batches
    assert_same_state(model, expected)
    assert resumed.history.keys() == history.history.keys()
    for name, values in history.history.items():
        assert resumed.history[name] == pytest.approx(values, rel=1e-5)


@pytest.mark.full
def test_without_steps_the_validation_comes_to_its_end(
    tmp_path, unbroken, handled
):
    with pytest.raises(SystemExit):
        train(tmp_path, None, [Signal(signal.SIGTERM, NUM_BATCHES, "training")])
    count = Signal(signal.SIGTERM, None, "")
    model, _ = train(tmp_path, None, [count])
    assert count.done == 2 * NUM_BATCHES
    assert_same_state(model, unbroken[0])


def test_a_second_signal_ends_at_once(tmp_path, handled):
    class Impatient(Signal):
        def on_train_batch_begin(self, batch, logs=None):
            os.kill(os.getpid(), self.number)
            os.kill(os.getpid(), self.number)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 1, [Impatient(signal.SIGINT, 1, "training")])
    assert not (tmp_path / "state.npz").exists()


@pytest.mark.full
def test_handlers_of_the_users_own_are_left_alone(tmp_path, handled):
    received = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    callbacks = [
        Signal(signal.SIGTERM, 2, "training"),
        Signal(signal.SIGINT, 2, "training"),
    ]
    _, history = train(tmp_path, 1, callbacks, epochs=1)
    assert received == [signal.SIGTERM]
    assert history.epoch == [0]


SCRIPT = """
training = types.ModuleType("keras_attention.training")
training.__path__ = [package.__path__[0] + "/training"]
sys.modules["keras_attention.training"] = training

import gc, os, signal
from keras_attention.training.interruption import handle_signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

signal.signal(signal.SIGINT, signal.default_int_handler)
print("a line that is kept", end="")
with handle_signals():
    if sys.argv[2] == "finalizer":  # where Python ignores exceptions
        Finalized()
    else:
        os.kill(os.getpid(), int(sys.argv[1]))
    print("goes on")
"""


@pytest.mark.parametrize("place", ["script", "finalizer"])
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_script_ends_with_one_line(number, code, word, place):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS + SCRIPT, str(int(number)), place],
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert done.stderr == f"{word}\n"
    assert done.stdout == "a line that is kept"


@pytest.mark.full
def test_a_script_trains_with_the_same_signals(tmp_path, handled, capsys):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(SystemExit), handle_signals():
        train(tmp_path, 100, [Signal(signal.SIGTERM, 2, "training")])
    assert "goes on from epoch 1, batch 3" in capsys.readouterr().err
    assert (tmp_path / "state.npz").exists()


def test_what_a_script_was_started_to_ignore_stays_ignored(handled):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with handle_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
