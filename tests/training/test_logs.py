import csv
import json
import math
import sys
from types import SimpleNamespace

import pytest

from keras_attention.training import CSVLog, RunHistory
from keras_attention.training.logs import read_csv_log, tensorboard


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


DAMAGED = {
    "two headers": (
        b"epoch,loss\r\n0,1.0\r\nepoch,loss\r\n",
        "line 3: invalid",
    ),
    "half a row": (b"epoch,loss,val_loss\r\n0,1.0", "line 2: 2 values for 3"),
    "no epochs": (b"time,loss\r\n0,1.0\r\n", "line 1: its first column"),
    "not text": (b"epoch,loss\r\n\xff\x00,1\r\n", "codec can't decode"),
}


@pytest.mark.parametrize("content, reason", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named_and_set_aside(path, content, reason):
    path.parent.mkdir()
    for count in ("", "-2"):
        path.write_bytes(content)
        log = resumed(path, {"size": len(content)})
        with pytest.warns(UserWarning, match=reason) as warned:
            log_epochs(log, [4])
        aside = path.with_name(f"metrics.csv.damaged{count}")
        assert f"It is kept as {aside}." in str(warned[0].message)
        assert aside.read_bytes() == content
        assert [row["epoch"] for row in rows(path)] == ["4"]


def test_what_is_missing_is_read_as_nan(path):
    state = log_epochs(CSVLog(path), [0])
    log = resumed(path, state)
    log.on_train_begin()
    log.on_epoch_end(1, {"loss": 2.0})
    log.on_train_end()
    log.on_train_begin()
    log.on_epoch_end(2, {"loss": "low", "val_loss": 1.0})
    log.on_train_end()
    columns, (first, second, third) = read_csv_log(path)
    assert math.isnan(third["loss"]) and third["val_loss"] == 1.0
    assert columns == ["epoch", "loss", "val_loss"]
    assert first == {"epoch": 0, "loss": 3, "val_loss": 5}
    assert math.isnan(second["val_loss"])


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


def test_without_tensorflow_there_is_no_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert tensorboard(tmp_path) == []
