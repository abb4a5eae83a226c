import csv
import json
from types import SimpleNamespace

import pytest

from keras_attention.training import CSVLog, RunHistory


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def log_epochs(log, epochs):
    log.set_model(SimpleNamespace())
    log.on_train_begin()
    for epoch in epochs:
        log.on_epoch_end(epoch, {"loss": 3.0 - epoch, "val_loss": 5.0 - epoch})
    state = json.loads(json.dumps(log.get_state()))
    log.on_train_end()
    return state


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep/metrics.csv"


def resumed(path, state):
    log = CSVLog(path)
    log.set_state(state)
    return log


def test_rows_behind_the_checkpoint_are_written_once(path):
    state = log_epochs(CSVLog(path), [0, 1])
    with open(path, "a") as file:
        file.write("2,1.0,3.0\r\n3,0.")  # killed while writing

    log_epochs(resumed(path, state), [2, 3])
    assert [row["epoch"] for row in rows(path)] == list("0123")
    assert [float(row["loss"]) for row in rows(path)] == [3, 2, 1, 0]


def test_without_a_checkpoint_the_file_begins_anew(path):
    log_epochs(CSVLog(path), [0, 1])
    log_epochs(CSVLog(path), [0])
    assert [row["epoch"] for row in rows(path)] == ["0"]


def test_a_file_that_was_removed_begins_anew(path):
    state = log_epochs(CSVLog(path), [0, 1])
    path.unlink()
    log_epochs(resumed(path, state), [2])
    assert [row["epoch"] for row in rows(path)] == ["2"]


def test_the_columns_stay_those_of_the_first_epoch(path):
    state = log_epochs(CSVLog(path), [0])
    log = resumed(path, state)
    log.on_train_begin()
    log.on_epoch_end(1, {"another": 1.0, "loss": 2.0})
    log.on_train_end()
    assert rows(path)[1] == {"epoch": "1", "loss": "2.0", "val_loss": "NA"}


def test_training_twice_without_a_restart_goes_on(path):
    log = CSVLog(path)
    log_epochs(log, [0])
    log_epochs(log, [1])
    assert [row["epoch"] for row in rows(path)] == ["0", "1"]


def test_the_history_has_the_epochs_before_a_restart():
    history = RunHistory()
    state = log_epochs(history, [0, 1])
    again = RunHistory()
    again.set_state(state)
    log_epochs(again, [2])
    assert again.epoch == [0, 1, 2]
    assert again.history == {"loss": [3, 2, 1], "val_loss": [5, 4, 3]}
