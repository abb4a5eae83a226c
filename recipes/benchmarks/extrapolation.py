"""How encodings fare on texts longer than those of training (Press 2022).

    python recipes/benchmarks/extrapolation.py

A causal model of characters is trained on pieces of 128 with each encoding,
and scored on pieces of 128 to 1,024 of modules that training never saw. The
text is what every Python has: the source of its standard library. Writes
`extrapolation.json` after each encoding, so that a run that was stopped goes
on, and in the end `extrapolation.png`; prints a table in Markdown.

Press, Smith, Lewis 2022, Train Short, Test Long,
https://arxiv.org/abs/2108.12409: with ALiBi the loss stays where it breaks
down with sinusoids.
"""

import dataclasses
import json
import os
import pathlib
import sysconfig
import time

import tyro

# Characters are their own ids; 0, which no source holds, is padding.
VOCABULARY, OTHER = 128, 127


@dataclasses.dataclass
class Settings:
    """What is trained and where results go."""

    positions: tuple[str, ...] = (
        "none",
        "sinusoidal",
        "rotary",
        "xpos",
        "alibi",
        "t5_relative",
        "kerple",
        "fire",
    )
    """Registered names."""
    length: int = 128
    """Characters in a piece that is trained on."""
    lengths: tuple[int, ...] = (128, 192, 256, 384, 512, 768, 1024)
    """Characters in the pieces that are scored."""
    steps: int = 1200
    batch: int = 16
    num_layers: int = 4
    hidden_dim: int = 128
    num_heads: int = 4
    learning_rate: float = 2e-3
    scored: int = 2**18
    """Characters that are scored at each length."""
    seed: int = 0
    output: pathlib.Path = pathlib.Path("runs/extrapolation")


def read_sources():
    """Reads the modules of the standard library.

    Returns:
        `(training, validation)`, integers `(characters,)`; every tenth module
        is for validation.
    """
    import numpy as np

    folder = pathlib.Path(sysconfig.get_path("stdlib"))
    texts = [
        path.read_bytes()
        for path in sorted(folder.glob("*.py"))
        if path.stat().st_size
    ]
    ids = [
        np.minimum(np.frombuffer(text, "uint8"), OTHER).astype("int32")
        for text in texts
    ]
    rest = [x for index, x in enumerate(ids) if index % 10 != 9]
    return np.concatenate(rest), np.concatenate(ids[9::10])


def train(settings, name, text):
    """Trains a model with one encoding.

    Args:
        settings: `Settings`.
        name: registered name of the encoding.
        text: integers `(characters,)`.

    Returns:
        A compiled `keras.Model` from ids to logits.
    """
    import keras
    import numpy as np

    from keras_attention import TransformerDecoder

    keras.utils.set_random_seed(settings.seed)
    decoder = TransformerDecoder(
        VOCABULARY,
        settings.num_layers,
        settings.hidden_dim,
        settings.num_heads,
        position=name,
        dropout=0.0,
    )
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, decoder.logits(decoder(inputs)))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        settings.steps,
        warmup_target=settings.learning_rate,
        warmup_steps=settings.steps // 10,
    )
    model.compile(
        keras.optimizers.Adam(schedule, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(settings.seed)
    starts = rng.integers(
        len(text) - settings.length - 1, size=settings.steps * settings.batch
    )
    pieces = text[starts[:, None] + np.arange(settings.length + 1)]
    model.fit(
        pieces[:, :-1], pieces[:, 1:], batch_size=settings.batch, verbose=0
    )
    return model


def score(settings, model, text, length):
    """Gives the mean loss, in nats a character, on pieces of one length."""
    count = min(settings.scored, len(text) - 1) // length
    pieces = text[: count * length + 1]
    rows = max(4096 // length, 1)
    return model.evaluate(
        pieces[:-1].reshape(count, length),
        pieces[1:].reshape(count, length),
        batch_size=rows,
        verbose=0,
    )


def draw(losses, trained, path):
    """Draws loss against length.

    Args:
        losses: dictionary from encoding to length to loss.
        trained: integer, the length of training.
        path: a PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(9, 6))
    for name, found in losses.items():
        axis.plot(list(found), list(found.values()), marker=".", label=name)
    axis.axvline(trained, color="grey", linestyle=":", label="trained")
    axis.set_xscale("log", base=2)
    lengths = list(next(iter(losses.values())))
    axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axis.set_xlabel("characters in a piece")
    axis.set_ylabel("loss, nats a character")
    # What breaks down would squeeze together what does not.
    lowest = min(min(found.values()) for found in losses.values())
    axis.set_ylim(0.95 * lowest, 2.5 * lowest)
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def table(losses):
    """Makes a table in Markdown of what `main` measured."""
    lengths = list(next(iter(losses.values())))
    rows = [
        f"| encoding | {' | '.join(f'{length:,}' for length in lengths)} |",
        "| --- |" + " --- |" * len(lengths),
    ]
    for name, found in losses.items():
        cells = " | ".join(f"{loss:.3f}" for loss in found.values())
        rows.append(f"| `{name}` | {cells} |")
    return "\n".join(rows)


def main(settings):
    """Trains and scores each encoding that has no results yet."""
    from keras_attention.json_files import read_json

    path = settings.output / "extrapolation.json"
    settings.output.mkdir(parents=True, exist_ok=True)
    options = dataclasses.asdict(settings)
    del options["positions"], options["output"]
    options = json.loads(json.dumps(options))
    kept = {"options": options, "losses": {}}
    if path.exists():
        kept = read_json(path, allow_nan=True)
        if kept["options"] != options:
            raise SystemExit(
                f"{path} is of other options: {kept['options']}. Choose "
                "another --output"
            )
    training, validation = read_sources()
    print(f"{len(training):,} characters, scored on {len(validation):,}")
    for name in settings.positions:
        if name in kept["losses"]:
            continue
        began = time.perf_counter()
        model = train(settings, name, training)
        found = {
            str(length): score(settings, model, validation, length)
            for length in settings.lengths
        }
        seconds = time.perf_counter() - began
        print(f"{name}: {found}, {seconds:.0f} s", flush=True)
        kept["losses"][name] = found
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        os.replace(temporary, path)
    losses = {
        name: {int(length): loss for length, loss in found.items()}
        for name, found in kept["losses"].items()
    }
    draw(losses, settings.length, settings.output / "extrapolation.png")
    print(table(losses))


if __name__ == "__main__":
    main(tyro.cli(Settings))
