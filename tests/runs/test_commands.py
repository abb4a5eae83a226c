"""The command line of a recipe."""

import dataclasses
import shlex
import sys

import pytest

from keras_attention.runs.commands import run_commands, tell_what_is_next


@dataclasses.dataclass
class Say:
    """Says it."""

    words: list[str]
    """What to say."""
    times: int = 1


@dataclasses.dataclass
class Other:
    """So that commands have names."""


def say(options):
    print(options.words * options.times)


COMMANDS = {"say": (Say, say), "other": (Other, print)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("say", []),
        ("say a b --times 2", ["a", "b", "a", "b"]),
        ("say --times 1 a", ["a"]),
    ],
)
def test_fields_without_a_default_are_positional(
    given, said, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["x", *given.split()])
    run_commands(COMMANDS, "Talks.")
    assert capsys.readouterr().out == f"{said}\n"


def test_a_missing_command_line_is_one_line_that_names_the_extra(
    monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tyro", None)
    with pytest.raises(SystemExit, match="2"):
        run_commands(COMMANDS, "Talks.")
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "keras-attention-zoo[recipes]" in error


def test_what_is_next_can_be_copied(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["my recipes/translation.py"])
    run = tmp_path / "a run"
    tell_what_is_next(run, [("evaluate",), ("translate", "-it's one")])
    _, evaluate, translate, load = capsys.readouterr().out.splitlines()
    start = ["python", "my recipes/translation.py"]
    expected = [*start, "evaluate", "--run", str(run)]
    assert shlex.split(evaluate) == expected
    expected = [*start, "translate", "--run", str(run), "--", "-it's one"]
    assert shlex.split(translate) == expected
    *start, code = shlex.split(load)
    assert start == ["python", "-ic"]
    compile(code, "code", "exec")
    assert str(run / "task") in code
