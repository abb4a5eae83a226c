"""Files and folders that are replaced whole, or not at all."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import pytest

from keras_attention import files
from tests.tools import WITHOUT_KERAS

MARKER = "whole.txt"


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as opened:
        here = os.open(".", os.O_RDONLY)
        os.chdir(path.parent)  # the names of sockets are short
        try:
            opened.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


def make_device(path):
    # The numbers of the null device, in a folder of the test's own.
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def link_to(make):
    def make_link(path):
        make(path.with_name("named"))
        path.symlink_to(path.with_name("named"))

    return make_link


def listing(folder):
    return {
        path.name: (path.lstat().st_ino, path.lstat().st_mode)
        for path in folder.iterdir()
    }


@pytest.mark.parametrize("linked", [False, True], ids=["", "link"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [(make_pipe, "pipe"), (make_socket, "socket"), (make_device, "device")],
    ids=["pipe", "socket", "device"],
)
def test_what_is_neither_file_nor_folder_is_kept(tmp_path, make, kind, linked):
    path = tmp_path / "special"
    (link_to(make) if linked else make)(path)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match=f"special is a {kind}, not a file"):
        with files.replacing(path) as partial:
            partial.write_text("new")
    with pytest.raises(ValueError, match=f"special is a {kind}, not a folder"):
        with files.replacing_folder(path, MARKER):
            pass
    assert listing(tmp_path) == before


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is a file, not a folder"):
        with files.replacing_folder(tmp_path / "file", MARKER):
            pass
    with pytest.raises(ValueError, match="is a folder, not a file"):
        with files.replacing(tmp_path / "folder") as partial:
            partial.write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ValueError, match="loop is a link to itself"):
        with files.replacing(tmp_path / "loop"):
            pass


def test_a_link_is_replaced_and_not_the_file_that_it_names(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    with files.replacing(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").read_text() == "new"
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_links_out_of_a_folder_are_named(tmp_path):
    (tmp_path / "victim").write_text("old")
    run = tmp_path / "run"
    (run / "last").mkdir(parents=True)
    (run / "inside").symlink_to("last")
    (tmp_path / "linked").symlink_to("run")
    files.check_links(tmp_path / "linked")
    (run / "last/metrics.csv").symlink_to("../../victim")
    with pytest.raises(ValueError, match="metrics.csv is a link to .*victim"):
        files.check_links(tmp_path / "linked")


def test_a_failed_block_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="disk"):
        with files.replacing(tmp_path / "file") as partial:
            partial.write_text("half")
            raise OSError("disk full")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with files.replacing(path) as first, files.replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # whose block ended last
    assert os.listdir(tmp_path) == ["file"]


def write(folder, text):
    with files.replacing_folder(folder, MARKER) as partial:
        (partial / MARKER).write_text(text)


DIE = """
import os, shutil, signal, sys
from keras_attention import files

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def unable(*arguments):
    raise OSError("cannot exchange")

folder, exchanges, moment = sys.argv[1:]
if exchanges == "renames":
    files._exchange = unable
calls = {"rename": 0}
rename, rmtree = os.rename, shutil.rmtree

def counted(*arguments):
    calls["rename"] += 1
    rename(*arguments)
    if moment == f"rename {calls['rename']}":
        die()

def half_removed(folder, **options):
    if moment == "removing":
        os.unlink(os.path.join(folder, "whole.txt"))
        die()
    rmtree(folder, **options)

os.rename = counted
shutil.rmtree = half_removed
with files.replacing_folder(folder, "whole.txt") as partial:
    if moment == "writing":
        die()
    (partial / "whole.txt").write_text("new")
    (partial / "more.txt").write_text("new")
"""


def killed(folder, exchanges, moment):
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_KERAS + DIE,
            str(folder),
            exchanges,
            moment,
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr


@pytest.mark.parametrize(
    ("exchanges", "moment"),
    [
        ("at once", "writing"),
        ("renames", "rename 1"),  # neither is there
        ("renames", "rename 2"),  # the new one, and the old beside it
        ("renames", "removing"),  # the new one, and half of the old
    ],
)
def test_a_killed_swap_leaves_a_whole_folder(tmp_path, exchanges, moment):
    folder = tmp_path / "task"
    write(folder, "old")
    killed(folder, exchanges, moment)
    files.recover(folder)
    kept = (folder / MARKER).read_text()
    assert kept == ("new" if moment in ("rename 2", "removing") else "old")
    # The next start clears away what was left, whatever it writes.
    with files.replacing(tmp_path / "another") as partial:
        partial.write_text("more")
    assert sorted(os.listdir(tmp_path)) == ["another", "task"]
    assert (folder / MARKER).read_text() == kept


def test_half_of_a_removed_folder_is_never_taken_for_a_whole(tmp_path):
    folder = tmp_path / "task"
    write(folder, "old")
    killed(folder, "renames", "removing")
    shutil.rmtree(folder)  # as a user removes it
    files.recover(folder)
    assert not folder.exists()


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    with files.replacing(tmp_path / "first") as first:
        first.write_text("going on")
        with files.replacing(tmp_path / "second") as second:
            second.write_text("done")
        assert first.read_text() == "going on"
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]


@pytest.mark.parametrize("name", ["partial-results", "partial-20240131-x"])
def test_a_folder_of_the_users_is_not_taken_for_left_over(tmp_path, name):
    mine = tmp_path / name
    mine.mkdir()
    (tmp_path / "partial-0123abcd-link").symlink_to(name)
    with files.replacing(tmp_path / "file") as partial:
        partial.write_text("new")
    assert mine.is_dir() and (tmp_path / "partial-0123abcd-link").exists()


def test_an_empty_folder_is_filled_and_stays_itself(tmp_path, monkeypatch):
    tmp_path.chmod(0o750)
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat()
    with files.replacing_folder(".", MARKER) as partial:
        (partial / MARKER).write_text("new")
        (partial / "more.txt").write_text("new")
    assert os.path.samestat(tmp_path.stat(), before)
    assert tmp_path.stat().st_mode == before.st_mode
    assert sorted(os.listdir()) == ["more.txt", MARKER]


@pytest.mark.parametrize("rename", [1, 2, 3])
def test_a_folder_that_was_being_filled_is_whole_in_the_end(tmp_path, rename):
    folder = tmp_path / "run"
    folder.mkdir()
    killed(folder, "at once", f"rename {rename}")
    files.check_folder(folder, MARKER)
    assert (folder / "more.txt").read_text() == "new"
    assert (folder / MARKER).read_text() == "new"
    with files.replacing(folder / "another") as partial:
        partial.write_text("more")
    assert sorted(os.listdir(folder)) == ["another", "more.txt", MARKER]


def test_where_nothing_can_be_locked_an_old_folder_is_put_back(
    tmp_path, monkeypatch
):
    folder = tmp_path / "task"
    write(folder, "old")
    killed(folder, "renames", "rename 1")
    monkeypatch.setattr(files.locks, "try_lock", lambda descriptor: None)
    files.recover(folder)
    assert (folder / MARKER).read_text() == "old"


@pytest.mark.skipif(sys.platform != "linux", reason="needs renameat2")
def test_folders_are_exchanged_at_once(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARKER).write_text(name)
    try:
        files._exchange(tmp_path / "first", tmp_path / "second")
    except OSError as error:
        pytest.skip(f"this file system cannot: {error}")
    assert (tmp_path / "first" / MARKER).read_text() == "second"
    assert (tmp_path / "second" / MARKER).read_text() == "first"
