"""One flavour at many lengths, measured in this process.

Run by `attention_length.py`, which starts a process for every flavour. Prints
a line of JSON for each length.
"""

import ctypes
import gc
import json
import math
import statistics
import time

import keras
import numpy as np
from keras import ops

from keras_attention import attention
from keras_attention.attention.core.inputs import prepare

# What a length asks of a flavour whose sizes must follow it.
OPTIONS = {
    "cosformer": lambda length: {"max_length": length},
    "linformer": lambda length: {"max_length": length},
    "sparse_transformer": lambda length: {"stride": math.isqrt(length)},
}
FIXED = {"sliding_window": {"window_size": 256}}


def options_of(name, length):
    """Gives the constructor arguments of a flavour at a length."""
    found = OPTIONS.get(name, lambda length: {})(length)
    return {**FIXED.get(name, {}), **found}


def measure(name, length, settings):
    """Times forward and forward with backward; gives seconds and MiB.

    The projections are computed beforehand: what is measured turns heads
    `(1, length, num_heads, head_dim)` into heads.
    """
    keras.utils.set_random_seed(0)
    layer = attention.get(
        name, num_heads=settings.num_heads, **options_of(name, length)
    )
    dim = settings.num_heads * settings.head_dim
    layer.build((1, length, dim))
    attend, inputs = _attend(layer, length, dim, settings.causal)
    result = {"flavour": name, "length": length}
    for kind, function in (
        ("forward", _compiled(attend, False, settings.jit)),
        ("training", _compiled(attend, True, settings.jit)),
    ):
        seconds, peak = _run(function, inputs, settings)
        result |= {f"{kind}_seconds": seconds, f"{kind}_mib": peak}
    return result


def _attend(layer, length, dim, causal):
    """The attention between the projections, and the tensors it takes."""
    generator = np.random.default_rng(0)
    x = ops.convert_to_tensor(
        generator.normal(size=(1, length, dim)).astype("float32")
    )
    source = None
    if layer.kind == "pooling":
        x, source = layer.with_queries(x, None, None, None)
    causal = causal and layer.supports_causal_mask
    _, query, key, value, visible, position, side = prepare(
        layer, x, source, None, use_causal_mask=causal
    )
    named = {"query": query, "key": key, "value": value, **side}
    names = [name for name, x in named.items() if _is_float(x)]
    rest = {k: x for k, x in named.items() if k not in names}

    def attend(*tensors):
        given = {**rest, **dict(zip(names, tensors, strict=True))}
        heads = [given.pop(name) for name in ("query", "key", "value")]
        return layer.attend(*heads, visible, position, **given)

    return attend, [named[name] for name in names]


def _is_float(x):
    if not ops.is_tensor(x):
        return False
    return "float" in keras.backend.standardize_dtype(x.dtype)


def _compiled(attend, backward, jit):
    def loss(*inputs):
        return ops.mean(attend(*inputs) ** 2)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def step(*inputs):
            if not backward:
                return [attend(*inputs)]
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = loss(*inputs)
            found = tape.gradient(value, inputs)
            return [x for x in found if x is not None]

        step = tf.function(step, autograph=False, jit_compile=jit)
        return lambda *inputs: [x.numpy() for x in step(*inputs)]
    if backend == "jax":
        import jax

        def step(*inputs):
            if not backward:
                return attend(*inputs)
            return jax.grad(loss, argnums=tuple(range(len(inputs))))(*inputs)

        step = jax.jit(step)
        return lambda *inputs: jax.block_until_ready(step(*inputs))

    def step(*inputs):
        inputs = [x.detach().requires_grad_(backward) for x in inputs]
        if backward:
            loss(*inputs).backward()
        else:
            attend(*inputs)

    return step


def _run(function, inputs, settings):
    """Gives the median of seconds, and the peak of memory in MiB."""
    function(*inputs)
    gc.collect()
    before = _reset_peak()
    began = time.perf_counter()
    function(*inputs)
    first = time.perf_counter() - began
    peak = _peak() - before
    # Short ones are repeated, long ones are not worth the wait.
    repeats = min(max(int(settings.seconds / max(first, 1e-4)), 1), 20)
    seconds = [first] if repeats == 1 else []
    for _ in range(repeats if repeats > 1 else 0):
        began = time.perf_counter()
        function(*inputs)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), peak / 2**20


def _reset_peak():
    """Sets the peak to what is in use now, and gives that in bytes."""
    counts = _counts_of_tensorflow()
    if counts is not None:
        counts.reset_memory_stats("CPU:0")
        return counts.get_memory_info("CPU:0")["current"]
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return _status("VmRSS")


def _peak():
    counts = _counts_of_tensorflow()
    if counts is not None:
        return counts.get_memory_info("CPU:0")["peak"]
    return _status("VmHWM")


def _counts_of_tensorflow():
    """What counts the memory of TensorFlow's tensors, or None.

    With oneDNN, TensorFlow keeps memory that it needs no more, but counts
    what it needs. Without, it counts nothing and gives all of it back, so
    that the memory of the process tells as much.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    from tensorflow.config import experimental

    try:
        experimental.get_memory_info("CPU:0")
    except ValueError:
        return None
    return experimental


def _status(entry):
    with open("/proc/self/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines[entry].split()[0]) * 1024


def run(settings):
    """Measures one flavour at all lengths, until one takes too long."""
    for length in settings.lengths:
        result = measure(settings.case, length, settings)
        print(json.dumps(result), flush=True)
        # A flavour that grows with the square takes 4 times as long next.
        if result["training_seconds"] * 4 > settings.limit:
            break
