"""What is written to standard error while Keras is imported."""

import os
import subprocess
import sys

import pytest

from keras_attention import start_up
from tests.tools import BACKEND

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are "
    "written to STDERR",
    "I0000 00:00:1796136490.835543    6088 cudart_stub.cc:31] No drivers.",
    "2026-11-30 10:00:00.123456: W tensorflow/core/x.cc:93] Warned.",
    "To enable the following instructions: AVX2 FMA, rebuild.",
]
REST = ["E0000 00:00:17 6088 cuda.cc:3] Failed.", "Traceback: a.cc:1] of us"]


def error_of(code, **environment):
    given = {**os.environ, "KERAS_BACKEND": BACKEND, **environment}
    given = {x: y for x, y in given.items() if y is not None}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=given
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_own_lines_are_left_out_and_all_else_is_kept(capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv(start_up.LEVEL, "2")
    with start_up.without_own_lines():
        for line in (NOISE[0], REST[0], *NOISE[1:], REST[1]):
            os.write(2, f"{line}\n".encode())
    assert capfd.readouterr().err.splitlines() == REST


def test_what_was_written_before_an_error_is_kept(capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv(start_up.LEVEL, "2")
    with pytest.raises(ImportError), start_up.without_own_lines():
        os.write(2, b"broken\n")
        raise ImportError
    assert capfd.readouterr().err == "broken\n"


def test_whoever_asks_sees_all(capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv(start_up.LEVEL, "0")
    with start_up.without_own_lines():
        os.write(2, f"{NOISE[0]}\n".encode())
    assert capfd.readouterr().err == f"{NOISE[0]}\n"


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own lines")
def test_the_import_says_nothing():
    code = "import keras_attention"
    assert error_of(code, TF_CPP_MIN_LOG_LEVEL=None) == ""


@pytest.mark.full
def test_without_standard_error_it_imports():
    code = "import os; os.close(2); import keras_attention; print('done')"
    error_of(code)
