"""Files of strangers: what leaves the file, loops, or claims to be huge."""

import h5py
import keras
import numpy as np
import pytest

from keras_attention import hdf5
from keras_attention.training import (
    average_weights,
    load_weights,
    save_weights,
)
from tests.disks import limited_files

KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"
SECRET = 12.0


def stack():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(stack(), path)
    return path


@pytest.fixture
def victim(tmp_path):
    """Another file, of numbers of a kernel's size."""
    path = tmp_path / "victim"
    np.full((3, 5), SECRET, "float32").tofile(path)
    return path


def external(file, victim):
    del file[KERNEL]
    stored = [(str(victim), 0, 60)]
    file.create_dataset(KERNEL, (3, 5), "float32", external=stored)


def as_hdf5(victim):
    with h5py.File(victim, "w") as file:
        file["kernel"] = np.full((3, 5), SECRET, "float32")


def virtual(file, victim):
    as_hdf5(victim)
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 5), "float32")
    layout[...] = h5py.VirtualSource(str(victim), "kernel", (3, 5))
    file.create_virtual_dataset(KERNEL, layout)


def external_link(file, victim):
    as_hdf5(victim)
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink(str(victim), "kernel")


def link_to_group(file, victim):
    as_hdf5(victim)
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(victim), "/")


def soft_link(file, victim):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def circle(file, victim):
    file["layers/dense/again"] = file["layers"]


def root_in_itself(file, victim):
    file["layers/dense/root"] = file["/"]


def twice(file, victim):
    for depth in range(60):  # 2 ** 60 paths
        group = file.require_group("again" + "/a" * depth)
        group["a"] = group["b"] = file.create_group(None)


def text(file, victim):
    del file[KERNEL]
    file[KERNEL] = "text"


def compound(file, victim):
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 5), [("a", "f4"), ("b", "f8")])


def large_items(file, victim):
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 5), np.dtype(("f4", (10_000, 10_000))))


def no_values(file, victim):
    del file[KERNEL]
    file[KERNEL] = h5py.Empty("f4")


def named_type(file, victim):
    file["layers/dense/vars/type"] = np.dtype("f4")


CASES = [
    *(external, virtual, external_link, link_to_group, soft_link),
    *(circle, root_in_itself, twice, text, compound, large_items),
    *(no_values, named_type),
]


@pytest.mark.parametrize("spoil", CASES)
def test_what_is_not_the_files_own_is_refused(path, victim, spoil, tmp_path):
    with h5py.File(path, "r+") as file:
        spoil(file, victim)
    model, held = stack(), victim.read_bytes()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"model\.weights\.h5 "):
        load_weights(model, path)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 "):
        average_weights([path, path], tmp_path / "mean.weights.h5")
    assert victim.read_bytes() == held
    assert not list(tmp_path.glob("*mean*"))


@pytest.mark.parametrize("name", [KERNEL, "layers/other", "optimizer/vars/0"])
def test_an_array_that_claims_to_be_huge_is_not_read(path, name, tmp_path):
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        file.create_dataset(name, (10**13,), "float32", chunks=(1000,))
    if not name.startswith("optimizer"):  # which is left out
        with pytest.raises(ValueError, match=r"model\.weights\.h5 .*10{13}"):
            load_weights(stack(), path)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 .*40{13} bytes"):
        average_weights([path], tmp_path / "mean.weights.h5")


@pytest.mark.full
def test_a_file_that_packs_a_bomb_is_not_read(path, monkeypatch):
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        size = 30_000_000
        file.create_dataset(KERNEL, data=np.zeros(size), compression="gzip")
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(keras.Model, "load_weights", None)  # nor by Keras
    with pytest.raises(ValueError, match=r"no place for .*\(30000000,\)"):
        load_weights(stack(), path)


def test_groups_may_be_nested_deeply(path):
    with h5py.File(path, "r+") as file:
        group = file
        for _ in range(1100):
            group = group.create_group("a")
    load_weights(stack(), path)


def test_a_failure_to_write_leaves_nothing(tmp_path):
    path = tmp_path / "numbers.h5"
    with hdf5.writing(path) as file:
        file["a"] = np.arange(7)
    before = path.read_bytes()
    with limited_files(20_000):
        with pytest.raises(OSError, match=r"numbers\.h5 cannot be written: "):
            with hdf5.writing(path) as file:
                for name in "bcdef":
                    file[name] = np.ones(1000, "float32")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_to_close_leaves_nothing(tmp_path):
    path = tmp_path / "numbers.h5"
    with limited_files(500):
        with pytest.raises(OSError, match=r"numbers\.h5 cannot be written: "):
            # HDF5 holds groups back until it closes the file.
            with hdf5.writing(path) as file:
                file.create_group("a")
                made = True
    assert made
    assert not list(tmp_path.iterdir())
