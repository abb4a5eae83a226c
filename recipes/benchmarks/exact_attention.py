"""Time and peak memory of exact attention: in query blocks, dense, Keras'.

    python recipes/benchmarks/exact_attention.py

Forward and backward of softmax attention without projections. Every case runs
in a process of its own, whose largest resident size, less that before the
inputs were made, is its peak; the cases take turns.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import time

import tyro


@dataclasses.dataclass
class Settings:
    """What is measured."""

    length: int = 8192
    num_heads: int = 4
    head_dim: int = 64
    block_size: int = 0
    """Queries in a block; 0 as the layer chooses."""
    causal: bool = False
    rounds: int = 3
    """Processes of each case."""
    case: str = ""
    """Runs one case in this process: dense, blocks or keras."""


def run_case(settings):
    """Measures one case and prints it as JSON."""
    import resource

    import keras
    import numpy as np
    from keras import ops

    from keras_attention import MultiHeadAttention, PositionalEncoding
    from keras_attention.masks import Visibility

    blocks = settings.block_size or "auto"
    layer = MultiHeadAttention(
        settings.num_heads,
        query_block_size=blocks if settings.case == "blocks" else None,
    )

    def attend(query, key, value):
        if settings.case == "keras":
            return ops.dot_product_attention(
                query, key, value, is_causal=settings.causal
            )
        positions = ops.arange(settings.length, dtype="int32")
        visible = Visibility(
            positions, positions, causal=settings.causal
        ).ordered(is_self=True)
        return layer.attend(query, key, value, visible, PositionalEncoding())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    generator = np.random.default_rng(0)
    shape = (1, settings.length, settings.num_heads, settings.head_dim)
    inputs = [
        ops.convert_to_tensor(generator.normal(size=shape).astype("float32"))
        for _ in range(3)
    ]
    step = _compiled(keras.backend.backend(), attend)
    step(*inputs)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        step(*inputs)
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    result = {"seconds": statistics.median(seconds), "peak_mib": peak / 1024}
    print(json.dumps(result))


def _compiled(backend, attend):
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def step(*inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                loss = tf.reduce_sum(attend(*inputs) ** 2)
            return tape.gradient(loss, inputs)

        return lambda *inputs: [g.numpy() for g in step(*inputs)]
    if backend == "jax":
        import jax

        def loss(*inputs):
            return (attend(*inputs) ** 2).sum()

        step = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
        return lambda *inputs: jax.block_until_ready(step(*inputs))

    def step(*inputs):
        inputs = [x.detach().requires_grad_() for x in inputs]
        (attend(*inputs) ** 2).sum().backward()

    return step


def main(settings):
    """Measures the cases in turn and prints their medians and ratios."""
    results = {"blocks": [], "dense": [], "keras": []}
    for _ in range(settings.rounds):
        for case, found in results.items():
            output = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--case", case],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            found.append(json.loads(output.splitlines()[-1]))
    for figure, unit in (("seconds", "s"), ("peak_mib", "MiB")):
        medians = {
            case: statistics.median(r[figure] for r in found)
            for case, found in results.items()
        }
        for case, median in medians.items():
            ratio = medians["blocks"] / median
            print(
                f"{case:7} {median:8.2f} {unit}; blocks take {ratio:.2f} of it"
            )


if __name__ == "__main__":
    chosen = tyro.cli(Settings)
    run_case(chosen) if chosen.case else main(chosen)
