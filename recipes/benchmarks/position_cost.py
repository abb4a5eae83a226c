"""Times what a positional encoding adds to a training step.

    python recipes/benchmarks/position_cost.py
    python recipes/benchmarks/position_cost.py --positions alibi rotary

Each encoding is timed in turn with the same model without one: an encoder, or
a decoder for encodings that are causal alone and with `--causal`. The grid of
`window_relative` has rows of 16. `fit`'s own step, compiled as Keras does by
default, on the backend of KERAS_BACKEND. Prints a table in Markdown with
medians.
"""

import dataclasses
import statistics
from typing import Literal

import keras
import numpy as np
import tyro
from timing import in_turn

from keras_attention import TransformerDecoder, TransformerEncoder, positions

VOCABULARY = 1000


@dataclasses.dataclass
class Settings:
    """What is timed."""

    positions: tuple[str, ...] = ()
    """Registered names; all by default."""
    causal: bool = False
    """A decoder for all encodings."""
    num_layers: int = 4
    hidden_dim: int = 256
    num_heads: int = 4
    batch: int = 8
    length: int = 512
    rounds: int = 9
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: Literal["auto", "yes", "no"] = "auto"


def make_step(settings, position, causal):
    """Makes a function that trains one step.

    Args:
        settings: `Settings`.
        position: registered name, or None for no encoding.
        causal: whether the model is a decoder.

    Returns:
        A function without arguments.
    """
    if position == "window_relative":  # which has to know a grid
        grid = (settings.length // 16, 16)
        position = positions.get(position, grid=grid)
    cls = TransformerDecoder if causal else TransformerEncoder
    model = cls(
        VOCABULARY,
        settings.num_layers,
        settings.hidden_dim,
        settings.num_heads,
        position=position,
        dropout=0.0,
    )
    jit = {"auto": "auto", "yes": True, "no": False}[settings.jit]
    model.compile("adam", "mse", jit_compile=jit)
    rng = np.random.default_rng(0)
    shape = (settings.batch, settings.length)
    token_ids = rng.integers(1, VOCABULARY, shape).astype("int32")
    target = rng.normal(size=(*shape, settings.hidden_dim)).astype("float32")
    return lambda: float(model.train_on_batch(token_ids, target))


def main(settings):
    """Times each encoding beside none and prints a row for it."""
    keras.config.set_dtype_policy(settings.precision)
    names = settings.positions or [
        name for name in positions.names() if name != "none"
    ]
    print("| encoding | model | with | without | costs more |")
    print("| --- | --- | --- | --- | --- |")
    for name in names:
        causal = settings.causal or positions.get(name).causal_only
        seconds = in_turn(
            {
                "with": make_step(settings, name, causal),
                "without": make_step(settings, None, causal),
            },
            settings.rounds,
        )
        ratios = [
            a / b - 1
            for a, b in zip(seconds["with"], seconds["without"], strict=True)
        ]
        medians = {key: statistics.median(s) for key, s in seconds.items()}
        print(
            f"| `{name}` | {'decoder' if causal else 'encoder'} "
            f"| {medians['with']:.3f} s | {medians['without']:.3f} s "
            f"| {100 * statistics.median(ratios):+.0f} % "
            f"({100 * min(ratios):+.0f} to {100 * max(ratios):+.0f}) |",
            flush=True,
        )
        keras.utils.clear_session()


if __name__ == "__main__":
    main(tyro.cli(Settings))
