"""Lines that say how training goes."""

import io

import pytest

from keras_attention.training import Progress, TokensPerSecond
from keras_attention.training.progress import (
    describe_logs,
    describe_number,
    span,
)
from tests.training.tiny import NUM_BATCHES, TinyBatches, tiny_model


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines_of(stream, every=60.0, epochs=2):
    progress = Progress(every, stream)
    tiny_model().fit(
        TinyBatches(),
        validation_data=TinyBatches(),
        epochs=epochs,
        verbose=0,
        callbacks=[TokensPerSecond(), progress],
    )
    return stream.getvalue().split("\n")


def test_an_epoch_is_a_line_with_names_and_whole_numbers():
    *lines, last = lines_of(io.StringIO())
    assert last == "" and len(lines) == 2
    assert lines[0].startswith("Epoch 1 of 2: ")
    for part in (", loss ", ", accuracy ", " a second", ", validation loss "):
        assert part in lines[1]
    assert "_" not in lines[1] and "validation tokens" not in lines[1]
    (tokens,) = [x for x in lines[1].split(", ") if x.startswith("tokens ")]
    batches = TinyBatches()
    counted = sum(batches[n][2].sum() for n in range(len(batches)))
    assert tokens == f"tokens {counted:.0f}"


def test_lines_within_an_epoch_say_what_is_left():
    *lines, _ = lines_of(io.StringIO(), every=0.0, epochs=1)
    assert len(lines) == NUM_BATCHES + 1
    assert f"batch {NUM_BATCHES - 1} of {NUM_BATCHES}" in lines[-3]
    assert " left, loss " in lines[-3]
    assert "validation" not in "".join(lines[:-1])


def test_a_terminal_has_one_line_that_is_rewritten(monkeypatch):
    monkeypatch.setattr("keras_attention.training.progress._REWRITTEN_EVERY", 0)
    line, last = lines_of(Terminal(), epochs=1)
    assert last == ""
    assert line.count("\r\x1b[K") == NUM_BATCHES + 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tokens", 1234567.0, "tokens 1,234,567"),
        ("examples_per_second", 4321.6, "4,322 examples a second"),
        ("accuracy", 0.98765, "accuracy 98.77%"),
        ("bleu", 12.345678, "BLEU 12.35"),
        ("loss", 2.0, "loss 2"),
        ("loss", float("nan"), "loss nan"),
        ("learning_rate", 0.00012345, "learning rate 0.0001234"),
    ],
)
def test_numbers_are_told_as_people_would(name, value, said):
    assert describe_number(name, value) == said


def test_what_is_of_validation_comes_last():
    logs = {"val_loss": 1.0, "loss": 2.5, "val_bleu": 3.25}
    said = ["loss 2.5", "validation loss 1", "validation BLEU 3.25"]
    assert describe_logs(logs) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.44, "0.4 s"),
        (9.97, "10 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7512, "2 h 05 min"),
    ],
)
def test_spans_of_time(seconds, said):
    assert span(seconds) == said
