"""Times a training step of our encoder beside KerasHub's, in turn.

    python recipes/benchmarks/training_step.py

Both have the same layers and widths, learned positions, dropout of embeddings,
attention weights and residuals, and a mean squared error on their output; the
backend is that of KERAS_BACKEND. Our feed-forward drops its middle too unless
told otherwise, KerasHub's never, so `--middle-dropout` times what it costs.
"""

import dataclasses
from typing import Literal

import keras
import keras_hub
import numpy as np
import tyro
from timing import in_turn, report

from keras_attention import FeedForward, LearnedEncoding, TransformerEncoder

VOCABULARY = 1000


@dataclasses.dataclass
class Settings:
    """What is timed."""

    num_layers: int = 4
    hidden_dim: int = 256
    num_heads: int = 4
    batch: int = 16
    length: int = 128
    dropout: float = 0.1
    middle_dropout: bool = False
    """Ours as it is by default, with dropout inside the feed-forward."""
    rounds: int = 20
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: Literal["auto", "yes", "no"] = "auto"


def our_model(settings):
    """An encoder of this package."""
    middle = settings.dropout if settings.middle_dropout else 0.0
    return TransformerEncoder(
        VOCABULARY,
        settings.num_layers,
        settings.hidden_dim,
        settings.num_heads,
        position=LearnedEncoding(max_length=settings.length),
        feed_forward=FeedForward(4 * settings.hidden_dim, dropout=middle),
        dropout=settings.dropout,
    )


def peer_model(settings):
    """The same of KerasHub's layers."""
    token_ids = keras.Input((settings.length,), dtype="int32")
    x = keras_hub.layers.TokenAndPositionEmbedding(
        VOCABULARY, settings.length, settings.hidden_dim, mask_zero=True
    )(token_ids)
    x = keras.layers.Dropout(settings.dropout)(x)
    for _ in range(settings.num_layers):
        x = keras_hub.layers.TransformerEncoder(
            4 * settings.hidden_dim,
            settings.num_heads,
            dropout=settings.dropout,
            activation="gelu",
            normalize_first=True,
        )(x)
    x = keras.layers.LayerNormalization()(x)
    return keras.Model(token_ids, x)


def main(settings):
    """Times both in turn and prints the ratio."""
    keras.config.set_dtype_policy(settings.precision)
    generator = np.random.default_rng(0)
    shape = (settings.batch, settings.length)
    token_ids = generator.integers(1, VOCABULARY, shape).astype("int32")
    target = generator.normal(size=(*shape, settings.hidden_dim))
    target = target.astype("float32")
    jit = {"auto": "auto", "yes": True, "no": False}[settings.jit]

    def step(make_model):
        model = make_model(settings)
        model.compile("adam", "mse", jit_compile=jit)
        return lambda: float(model.train_on_batch(token_ids, target))

    seconds = in_turn(
        {"keras_attention": step(our_model), "keras_hub": step(peer_model)},
        settings.rounds,
    )
    report(
        seconds,
        "keras_attention",
        "keras_hub",
        backend=keras.backend.backend(),
        **dataclasses.asdict(settings),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
