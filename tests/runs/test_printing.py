"""What recipes print of what others have written cannot steer a terminal."""

import re
import sys
import types
import warnings

import numpy as np
import pytest
import tyro
from sentencepiece import sentencepiece_model_pb2 as formats

from keras_attention.data import SentencePieceTokenizer
from keras_attention.runs import commands, judging, text_to_text
from tests.tasks import tiny

HOSTILE = "\x1b]0;title\x07\x9b2J\u202e\u2028\n"
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def hostile_tokenizer():
    """One whose every piece of text carries control characters."""
    model = formats.ModelProto.FromString(tiny.tokenizer().proto)
    for index, piece in enumerate(model.pieces):
        if piece.type == formats.ModelProto.SentencePiece.NORMAL:
            piece.piece = f"▁{HOSTILE}{index}"
    return SentencePieceTokenizer(model.SerializeToString())


def hostile_task():
    """Answers each text with a piece of such a tokenizer."""
    tokenizer = hostile_tokenizer()

    def task(texts):
        ids = np.arange(9, 9 + len(texts))[:, None]
        answers = tokenizer.decode(ids)
        assert all(HOSTILE in text for text in answers)
        return answers

    return task


def asked(texts=(), file=""):
    return types.SimpleNamespace(text=list(texts), file=file)


def test_each_text_is_answered_by_one_harmless_line(capsys, tmp_path):
    task, texts = hostile_task(), ["a", "the dog", "cat"]
    commands.answer(task, asked(texts))
    given = capsys.readouterr().out
    (tmp_path / "texts").write_text("\n".join(texts) + "\n")
    commands.answer(task, asked(file=tmp_path / "texts"))
    read = capsys.readouterr().out
    assert given == read and given.count("\n") == len(texts)
    assert not CONTROLS.search(given)
    for line in given.splitlines():
        assert "\\x1b]0;title\\x07\\x9b2J\\u202e\\u2028\\x0a" in line


def test_lines_of_standard_input_are_answered_alike(capsys, monkeypatch):
    monkeypatch.setattr(commands, "read_stdin", lambda: ["a", "dog"])
    commands.answer(lambda text: f"{text}{HOSTILE}", asked())
    printed = capsys.readouterr().out
    assert printed.count("\n") == 2 and not CONTROLS.search(printed)


def test_samples_are_harmless(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(text_to_text, "show_attention", lambda *_: None)
    sources = [f"a dog{HOSTILE}"]
    text_to_text.show_samples(
        hostile_task(), sources, [f"target{HOSTILE}"], tmp_path
    )
    printed = capsys.readouterr().out
    assert printed.count("\n") == 4 and not CONTROLS.search(printed)
    assert printed.count("\\x1b]0;title") >= 3


def test_predictions_and_labels_are_harmless(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "show_attention", lambda *_: None)
    judging.show_predictions(
        lambda texts: [f"answer{HOSTILE}" for _ in texts],
        [f"a{HOSTILE}dog"],
        [f"label{HOSTILE}"],
        tmp_path,
    )
    printed = capsys.readouterr().out
    assert printed.count("\n") == 2 and not CONTROLS.search(printed)


def test_the_worst_mistakes_are_harmless(capsys, tmp_path, monkeypatch):
    labels = [f"{name}{HOSTILE}" for name in "abc"]
    task = types.SimpleNamespace(
        labels=labels,
        probabilities=lambda x: np.eye(3, dtype="float32")[[1, 2]],
    )
    found = ["one", "two"], labels[:2], [f"{x}{HOSTILE}.png" for x in "12"]
    monkeypatch.setattr(judging, "load_for_task", lambda *_: found)
    monkeypatch.setattr(judging.tasks, "load", lambda *_, **__: task)
    for name in ("show_attention", "plot_confusion", "tell_scores"):
        monkeypatch.setattr(judging, name, lambda *_: None)
    monkeypatch.setattr(judging, "plot_calibration", lambda *_: 0.0)
    arguments = types.SimpleNamespace(
        dataset="demo", split="test", batch_size=2, show=2, run=tmp_path
    )
    arguments.outside_split = ""
    judging.judge(arguments, None, tmp_path / "task")
    printed = capsys.readouterr().out
    assert "taken for" in printed and not CONTROLS.search(printed)


@pytest.mark.parametrize("kind", [ValueError, ImportError, OSError])
def test_errors_and_warnings_are_harmless(capsys, monkeypatch, kind):
    def fail(options):
        # pytest keeps warnings to itself, so they are printed here.
        for given in (UserWarning("left out"), FutureWarning("old")):
            message = f"{given} {HOSTILE}"
            line = warnings.formatwarning(message, type(given), "file", 1)
            sys.stderr.write(line)
        raise kind(f"no file {HOSTILE}")

    options = type("Options", (), {})
    monkeypatch.setattr(
        tyro.extras, "subcommand_cli_from_dict", lambda *_, **__: options()
    )
    with pytest.raises(SystemExit, match="2"):
        commands.run_commands({"fail": (options, fail)}, "")
    printed = capsys.readouterr().err
    assert not CONTROLS.search(printed)
    for start in ("error: no file", "warning: left out", "FutureWarning: old"):
        assert f"{start} \\x1b]0;title" in printed
