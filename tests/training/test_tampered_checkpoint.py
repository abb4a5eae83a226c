"""Checkpoints that somebody has changed: refused by name, nothing changed."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest

from keras_attention.training import (
    BestWeights,
    Checkpoint,
    CheckpointError,
    CSVLog,
    RunHistory,
    TokensPerSecond,
    resume_fit,
)
from tests.disks import limited_files
from tests.training.tiny import TinyBatches, state_of, tiny_model

DESCRIPTION = "description.json.npy"


def callbacks(folder):
    best = BestWeights(folder / "best.weights.h5", "loss", "min")
    return [RunHistory(), TokensPerSecond(), best, CSVLog(folder / "log.csv")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The model after an epoch, and the bytes of its checkpoint."""
    folder = tmp_path_factory.mktemp("written")
    path, model = folder / "state.npz", tiny_model()
    resume_fit(
        model,
        TinyBatches(),
        Checkpoint(path),
        epochs=1,
        verbose=0,
        callbacks=callbacks(folder)[1:],
    )
    return model, path.read_bytes()


@pytest.fixture
def path(tmp_path, written):
    path = tmp_path / "state.npz"
    path.write_bytes(written[1])
    return path


def change(path, compress=(), **entries):
    """Writes entries of the archive anew, by their names without `.npy`."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**old, **entries}.items():
            kind = zipfile.ZIP_STORED
            if name in compress:
                kind = zipfile.ZIP_DEFLATED
            archive.writestr(name, content, kind)


def as_npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_description(path):
    with np.load(path) as file:
        return json.loads(file["description.json"].tobytes())


def describe(path, text):
    if not isinstance(text, str):
        text = json.dumps(text)
    array = np.frombuffer(text.encode(), "uint8")
    change(path, **{DESCRIPTION: as_npy(array)})


def assert_refused(path, model, message=None, others=()):
    before = [value.copy() for value in state_of(model)]
    with pytest.raises(CheckpointError, match=message) as refusal:
        Checkpoint(path).restore(model, TinyBatches(), others)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    for ours, theirs in zip(state_of(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.full
def test_what_is_written_anew_is_still_a_checkpoint(path, written):
    describe(path, read_description(path))
    folder = path.parent
    position = Checkpoint(path).restore(
        written[0], TinyBatches(), callbacks(folder)
    )
    assert position == (1, 0, False)


WRONG = {
    "format": [None, "1", 2, [1]],
    "backend": [None, 5, ["jax"]],
    "data": [5, ["a"], {}],
    "position": [
        *(None, 5, "abc", [], [1, 0], [1, 0, False, 0], {"epoch": 1}),
        *([1, 0, 0], [1.0, 0, False], [True, 0, False], ["1", 0, False]),
        *([-1, 0, False], [0, -1, False], [1, 10**30, False]),
        *([1, 10**6, False], [None, None, None]),
    ],
    "variables": [
        *(None, 5, [], {}, {"model": []}, {"model": None, "optimizer": []}),
        {"model": [5], "optimizer": []},
        {"model": [[1, 2, 3]], "optimizer": []},
        {"model": [["a", [7], "float32", 0]], "optimizer": []},
        {"model": [["a", ["7"], "float32"]], "optimizer": []},
        {"model": [["a", [-7], "float32"]], "optimizer": []},
        {"model": [["a", [10**13], "float32"]], "optimizer": []},
        {"model": [["a", [7], "no dtype"]], "optimizer": []},
        {"model": [], "optimizer": [], "other": []},
    ],
    "callbacks": [None, 5, [], {"RunHistory-1": 5}, {"BestWeights-1": []}],
    "random": [None, 5, [], {}, {"python": 5}, {"python": [3, [], None]}],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
)
def test_a_wrong_entry_of_the_description_is_refused(
    path, written, name, value
):
    describe(path, {**read_description(path), name: value})
    assert_refused(path, written[0])


STATES = {
    "RunHistory-1": [
        *({}, {"epoch": 5, "history": {}}, {"epoch": [0], "history": []}),
        *({"epoch": ["a"], "history": {}}, {"epoch": [True], "history": {}}),
        *({"epoch": [0], "history": {"loss": 5}},),
        *({"epoch": [0], "history": {"loss": [None]}},),
    ],
    "TokensPerSecond-1": [{}, {"tokens": "5"}, {"tokens": None}],
    "BestWeights-1": [
        *({}, {"best": "low", "best_epoch": 0, "wait": 0}),
        *({"best": 1.5, "best_epoch": None, "wait": 0},),
        *({"best": 1.5, "best_epoch": 0, "wait": -1},),
    ],
    "CSVLog-1": [{}, {"size": 1.5}, {"size": -1}, {"size": True}],
}


@pytest.mark.parametrize(
    ("name", "state"),
    [(name, state) for name, states in STATES.items() for state in states],
)
def test_a_wrong_state_of_a_callback_is_refused(path, written, name, state):
    description = read_description(path)
    description["callbacks"][name] = state
    describe(path, description)
    assert_refused(path, written[0], name, callbacks(path.parent))


def test_a_diverged_run_can_be_resumed(path, written):
    description = read_description(path)
    description["callbacks"]["BestWeights-1"]["best"] = float("nan")
    describe(path, description)
    Checkpoint(path).restore(written[0], TinyBatches(), callbacks(path.parent))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "[]",
        "{",
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"format": NaN}',
        "9" * 10_000,
    ],
)
def test_a_description_of_something_else_is_refused(path, written, text):
    describe(path, text)
    assert_refused(path, written[0])


def test_a_name_twice_in_the_description_is_refused(path, written):
    text = json.dumps(read_description(path))
    describe(path, f'{text[:-1]}, "position": [0, 0, false]}}')
    assert_refused(path, written[0], "twice")


def claiming(shape, dtype="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@pytest.mark.parametrize("name", ["model/0.npy", "other.npy", DESCRIPTION])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((10**13,), "<f4"), ((3, 10**40), "<f4"), ((7,), "|O"), ((), "|V99999")],
)
def test_an_array_that_claims_to_be_huge_is_refused(
    path, written, name, shape, dtype
):
    change(path, **{name: claiming(shape, dtype)})
    assert_refused(path, written[0], "truncated or no checkpoint")


@pytest.mark.parametrize("name", ["model/0.npy", "other.npy", DESCRIPTION])
def test_a_packed_bomb_is_not_unpacked(path, written, name):
    size = 2**26
    change(path, [name], **{name: as_npy(np.zeros(size, "uint8"))})
    assert path.stat().st_size < size / 100
    tracemalloc.start()
    try:
        assert_refused(path, written[0], "compressed")
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()


def test_an_array_of_another_dtype_is_refused(path, written):
    shape = tuple(written[0].variables[0].shape)
    change(path, **{"model/0.npy": as_npy(np.zeros(shape, "float64"))})
    assert_refused(path, written[0], "not a complete checkpoint")


def test_restoring_holds_one_array_at_a_time(path, written, monkeypatch):
    model, _ = written
    whole = sum(value.nbytes for value in state_of(model))
    held = []

    class Counted(np.ndarray):
        def __new__(cls, array):
            held.append(array.nbytes)
            return np.asarray(array).view(cls)

        def __del__(self):
            if self.base is not None:
                held.append(-self.nbytes)

    read = np.lib.format.read_array
    monkeypatch.setattr(
        np.lib.format, "read_array", lambda *a, **k: Counted(read(*a, **k))
    )
    Checkpoint(path).restore(model, TinyBatches())
    arrays = held[2:]  # behind the description
    assert max(np.cumsum(arrays)) < whole / 2


def test_a_folder_is_no_checkpoint(path, written):
    path.unlink()
    path.mkdir()
    assert_refused(path, written[0], "is no file")


def test_a_full_disk_leaves_the_previous_checkpoint(path, written):
    before, size = path.read_bytes(), len(written[1])
    model = tiny_model()
    with limited_files(size // 2):
        with pytest.raises(OSError, match=r"state\.npz cannot be written: F"):
            resume_fit(
                model, TinyBatches(), Checkpoint(path), epochs=2, verbose=0
            )
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
