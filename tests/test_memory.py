"""What memory there is, and what is refused."""

import os

import keras
import pytest

from keras_attention import memory
from keras_attention.memory import GIB


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Makes control groups: their own lines, and files with limits."""

    def make(lines, **limits):
        (tmp_path / "own").write_text("\n".join(lines) + "\n")
        for name, limit in limits.items():
            path = tmp_path / "groups" / name.replace("__", "/")
            path.mkdir(parents=True, exist_ok=True)
            for file in ("memory.max", "memory.limit_in_bytes"):
                (path / file).write_text(f"{limit}\n")
        monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "own")
        monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")

    return make


@pytest.fixture
def machine(monkeypatch):
    """Sets the memory of the machine and of its accelerators."""

    def have(limit, more=0):
        monkeypatch.setattr(memory, "machine_memory", lambda: limit)
        monkeypatch.setattr(memory, "_accelerator_memory", lambda: more)

    return have


def test_a_machine_has_memory():
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory.machine_memory() <= whole


def test_a_control_group_has_less(groups):
    groups(["0::/a/b"], a=2000, a__b="max")
    assert memory.machine_memory() == 2000
    groups(["0::/a/b"], a=2000, a__b=1000)
    assert memory.machine_memory() == 1000


def test_a_control_group_of_the_first_version(groups):
    groups(
        ["3:cpu,memory:/a", "2:cpu:/c", "0::/c"],
        memory=2**63 - 4096,
        memory__a=3000,
        c__memory=7,
    )
    assert memory.machine_memory() == 3000


def test_a_group_out_of_sight_has_the_limit_of_the_root(groups):
    groups(["4:memory:/docker/123", "0::/../x"], memory=4000)
    assert memory.machine_memory() == 4000


def test_without_control_groups_the_machine_counts(tmp_path, monkeypatch):
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "none")
    assert memory.machine_memory() == whole


def test_where_the_memory_is_unknown_nothing_is_refused(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert memory.machine_memory() is None
    memory.check_memory("These", 10**100)


def test_what_needs_more_is_refused_with_the_numbers(machine):
    machine(3 * GIB)
    memory.check_memory("These", 3 * GIB)
    with pytest.raises(ValueError, match="more") as caught:
        memory.check_memory("These (more)", 1538 * GIB)
    assert str(caught.value) == (
        "These (more) need at least 1,538.0 GiB of memory. This machine has "
        "3.0 GiB."
    )
    with pytest.raises(ValueError, match=r"least 1,000,000,000.0 GiB"):
        memory.check_memory("These", 10**5000)


def test_the_memory_of_accelerators_counts_too(machine):
    machine(3 * GIB, more=5 * GIB)
    memory.check_memory("These", 8 * GIB)
    with pytest.raises(ValueError, match="3.0 GiB, and 5.0 GiB in acc"):
        memory.check_memory("These", 9 * GIB)


def test_what_is_spread_over_devices_is_not_refused(machine, monkeypatch):
    machine(3 * GIB)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: "some")
    memory.check_memory("These", 9 * GIB)


def test_accelerators_are_counted_by_every_backend():
    found = memory._accelerator_memory()
    assert isinstance(found, int) and found >= 0


@pytest.mark.parametrize(
    "dtype, expected",
    [
        ("float64", 8),
        ("float32", 4),
        ("bfloat16", 2),
        ("int8", 1),
        ("bool", 1),
        (keras.DTypePolicy("mixed_bfloat16"), 4),
        (keras.DTypePolicy("bfloat16"), 2),
        (keras.dtype_policies.get("int8_from_float32"), 0.5),
        (keras.dtype_policies.DTypePolicyMap("float32"), 0.5),
    ],
)
def test_a_number_has_its_bytes_at_the_least(dtype, expected):
    assert memory.bytes_of(1000, dtype) == 1000 * expected
