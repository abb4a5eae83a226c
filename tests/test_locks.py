"""One process in a folder at a time."""

import os
import signal
import subprocess
import sys

import pytest

from keras_attention.locks import LockedError, check_free, one_process
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
        with pytest.raises(LockedError, match=f"process {other.pid} on"):
            check_free(tmp_path / name)


def test_a_kill_ends_the_lock(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with one_process(tmp_path / "run", "training"):
        assert os.listdir(tmp_path / "run") == [".lock"]
    assert os.listdir(tmp_path / "run") == []


def test_a_lock_can_be_taken_again_and_beside_another(tmp_path):
    for _ in range(2):
        with one_process(tmp_path / "a/run", "training"):
            with one_process(tmp_path / "b/run", "training"):
                pass
    with pytest.raises(LockedError, match=f"process {os.getpid()} "):
        with one_process(tmp_path / "run", "training"):
            with one_process(tmp_path / "run", "exporting"):
                pass


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_lock_is_named_and_left_alone(tmp_path, kind):
    run, lock = tmp_path / "run", tmp_path / "run/.lock"
    run.mkdir()
    (tmp_path / "victim").write_text("old")
    {
        "link": lambda: lock.symlink_to("../victim"),
        "dangling": lambda: lock.symlink_to("../nothing"),
        "folder": lock.mkdir,
        "pipe": lambda: os.mkfifo(lock),
    }[kind]()
    for hold in (lambda: one_process(run, "training"), lambda: check_free(run)):
        with pytest.raises(ValueError, match=r"\.lock is no file"):
            with hold():
                pass
    assert (tmp_path / "victim").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["run", "victim"]


def test_a_holder_that_cannot_be_read_is_another_process(tmp_path, other):
    (tmp_path / "run/.lock").write_text("[" * 4000)
    with pytest.raises(LockedError, match="another process is writing"):
        check_free(tmp_path / "run")
