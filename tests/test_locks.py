"""One process in a folder at a time."""

import os
import signal
import subprocess
import sys

import pytest

from keras_attention.locks import LockedError, one_process
from tests.tools import WITHOUT_KERAS

HOLD = """
import sys, time
from keras_attention.locks import one_process
with one_process(sys.argv[1], "training"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_KERAS + HOLD, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_other_process_is_named(other, tmp_path):
    (tmp_path / "link").symlink_to("run")
    for name in ("run", "link"):
        with pytest.raises(
            LockedError, match=f"run is in use: process {other.pid} on .* is tr"
        ):
            with one_process(tmp_path / name, "training"):
                pass


def test_a_kill_ends_the_lock(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with one_process(tmp_path / "run", "training"):
        assert os.listdir(tmp_path) == [".run.lock"]
    assert os.listdir(tmp_path) == []


def test_a_lock_can_be_taken_again_and_beside_another(tmp_path):
    for _ in range(2):
        with one_process(tmp_path / "a/run", "training"):
            with one_process(tmp_path / "b/run", "training"):
                pass
    with pytest.raises(LockedError, match=f"process {os.getpid()} "):
        with one_process(tmp_path / "run", "training"):
            with one_process(tmp_path / "run", "exporting"):
                pass
