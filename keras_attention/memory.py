"""What memory this machine has, and the refusal of what cannot fit into it."""

import contextlib
import contextvars
import os
from pathlib import Path

import keras

GIB = 2**30
# An accelerator whose backend does not tell its memory counts as this much:
# more than any has.
_LARGEST_ACCELERATOR = 2**40
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = contextvars.ContextVar("unlimited", default=False)


@contextlib.contextmanager
def without_limit():
    """Lets anything through, for models whose weights are only counted."""
    token = _UNLIMITED.set(True)
    try:
        yield
    finally:
        _UNLIMITED.reset(token)


def machine_memory():
    """Gives the memory of this machine, that of accelerators left out.

    Returns:
        Integer, bytes: the limit of the process' control group where that is
        lower. None where the operating system does not tell.
    """
    try:
        pages = os.sysconf("SC_PHYS_PAGES")
        whole = pages * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    return min([whole, *_group_limits()]) if pages > 0 else None


def check_memory(what, needed):
    """Refuses what needs more memory than this machine has.

    All of it counts, accelerators included, whatever else is using it, but
    not what is swapped to a disk. Weights that `keras.distribution`
    spreads, over other machines perhaps, are let through.

    Args:
        what: string, the subject of the message, in the plural.
        needed: integer, bytes that it takes at the least.

    Raises:
        ValueError: if there are fewer.
    """
    limit = machine_memory()
    if limit is None or needed <= limit or _UNLIMITED.get():
        return
    if keras.distribution.distribution() is not None or _is_on_meta():
        return
    more = _accelerator_memory()
    if needed > limit + more:
        beside = f", and {gibibytes(more)} in accelerators" if more else ""
        raise ValueError(
            f"{what} need at least {gibibytes(needed)} of memory. This "
            f"machine has {gibibytes(limit)}{beside}."
        )


def gibibytes(count):
    """Writes a number of bytes in GiB, a billion of them at the most."""
    # What a file says may be too large for a float.
    return f"{min(count, 10**9 * GIB) / GIB:,.1f} GiB"


def bytes_of(count, dtype):
    """Gives the bytes that numbers take at the least.

    Args:
        count: integer.
        dtype: name of their type, or the policy of a model. One that
            quantizes, or leaves types to its layers, may make them narrower
            than the type it names.
    """
    policies = keras.dtype_policies
    if isinstance(dtype, policies.DTypePolicy):
        is_narrower = dtype.quantization_mode or isinstance(
            dtype, policies.DTypePolicyMap
        )
        dtype = "int4" if is_narrower else dtype.variable_dtype
    if dtype == "int4":
        return count // 2
    widths = {"float64": 8, "int64": 8, "float32": 4, "int32": 4}
    return count * widths.get(dtype, 2 if "16" in dtype else 1)


def _group_limits():
    """Yields the limits of the control groups, of either version, in bytes."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = _GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            try:
                yield int((folder / name).read_text())
            except (OSError, ValueError):  # out of sight, or "max"
                continue


def _is_on_meta():
    """Whether torch makes tensors that hold no numbers."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.empty(0).device.type == "meta"


def _accelerator_memory():
    """Gives the memory of all accelerators, or a bound of it, in bytes."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        count = range(torch.cuda.device_count())
        return sum(
            torch.cuda.get_device_properties(index).total_memory
            for index in count
        )
    if backend == "jax":
        import jax

        return sum(
            (device.memory_stats() or {}).get(
                "bytes_limit", _LARGEST_ACCELERATOR
            )
            for device in jax.local_devices()
            if device.platform != "cpu"
        )
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    found = [device for device in devices if device.device_type != "CPU"]
    return len(found) * _LARGEST_ACCELERATOR
