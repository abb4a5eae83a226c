"""Callbacks that a user names."""

import keras
import pytest

from keras_attention.runs.callbacks import load_callback
from keras_attention.runs.checks import UsageError

CODE = """
import keras

class Ours(keras.callbacks.Callback):
    pass

def make():
    return Ours()

made = make()

def fails():
    raise RuntimeError("no key")

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "own_callbacks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_callbacks", False)
    return "own_callbacks"


@pytest.mark.parametrize("name", ["Ours", "make", "made"])
def test_a_class_a_function_or_a_callback_will_do(module, name):
    assert type(load_callback(f"{module}:{name}")).__name__ == "Ours"


def test_an_installed_one_is_found():
    found = load_callback("keras.callbacks:TerminateOnNaN")
    assert type(found) is keras.callbacks.TerminateOnNaN


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_callbacks", "must be MODULE:NAME.*Received: own_callbacks"),
        ("own_callbacks:Our", "has no Our. Did you mean 'Ours'"),
        ("own_callbacks:fails", r"fails\(\) fails: RuntimeError: no key"),
        ("own_callbacks:number", "gives a int, which is no"),
        ("own_calbacks:Ours", "own_calbacks cannot be imported"),
    ],
)
def test_what_is_none_is_refused(module, name, said):
    with pytest.raises(UsageError, match=said):
        load_callback(name)
