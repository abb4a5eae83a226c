"""The folder of a run: its options, weights and task."""

import contextlib
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Literal

from common import UsageError, check_numbers
from curves import plot_curves

from keras_attention import locks, training
from keras_attention.files import (
    check_folder,
    check_links,
    recover,
    replacing,
    replacing_folder,
)
from keras_attention.json_files import check_fields, read_json
from keras_attention.layers.norm_first import translate_norm_first

CONFIG = "config.json"
CHECKPOINT = "checkpoint.npz"
METRICS = "metrics.json"
TASK = "task"


@dataclasses.dataclass
class RunOptions:
    """What training any model can be told; recipes' options inherit these."""

    dataset: str = "demo"
    """demo, files:FOLDER or tfds:NAME."""
    train_split: str = "train"
    validation_split: str = "validation"
    run: str = "runs"
    """Folder of the run."""
    epochs: int = 8
    steps: int = 0
    """Optimizer steps after which to stop instead; 0 goes by epochs."""
    learning_rate: float = 0.002
    """Peak, reached after the warm-up."""
    warmup_steps: int = 400
    schedule: Literal["inverse_sqrt", "cosine"] = "inverse_sqrt"
    """How the learning rate falls: by 1/sqrt(step), or by half a cosine to
    zero at the end, which then has to stay where it is."""
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: bool = False
    """Compile with XLA (JAX always does)."""
    average: int = 4
    """Epochs whose weights are averaged at the end."""
    patience: int = 10
    """Epochs without a better validation score before stopping."""
    checkpoint_steps: int = 500
    """Steps between checkpoints within an epoch."""
    seed: int = 0


def read_config(run, cls):
    """Reads the configuration of a run folder.

    Args:
        run: path of the folder.
        cls: the dataclass that it was written from.

    Returns:
        An instance of `cls`.

    Raises:
        ValueError: if there is none, it is damaged, of another recipe, or
            has a value of another type than its option.
    """
    path = Path(run) / CONFIG
    if not path.is_file():
        raise UsageError(f"{run} is not a run folder: {CONFIG} is missing.")
    found = _read_fields(path)
    found = translate_norm_first(found)  # of earlier versions
    unknown = found.keys() - {x.name for x in dataclasses.fields(cls)}
    if unknown:
        raise UsageError(
            f"{run} holds a run of another recipe: its {CONFIG} has "
            f"{min(unknown)!r}, which this one does not know."
        )
    check_fields(path, found, cls)
    return cls(**found)


def _read_fields(path):
    """Reads a dictionary from a JSON file."""
    # A score may be NaN in the metrics of older versions.
    found = read_json(path, allow_nan=path.name == METRICS)
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged: it holds no dictionary.")
    return found


def has_checkpoint(config):
    """Whether the run of a configuration has been begun and can go on."""
    return (Path(config.run) / CHECKPOINT).exists()


def check_run(config):
    """Checks that training can go on in the run folder, or begin there.

    Args:
        config: `RunOptions`, of which `show` may differ when a run goes on,
            and `epochs` and `steps` unless the schedule hangs on them.

    Raises:
        UsageError: if the folder is of another configuration.
        ValueError: if it is something else than a run folder, or another
            process trains there.
    """
    check_numbers(config, "seed", at_least=0, below=2**32)
    run = check_folder(config.run, CONFIG)
    locks.check_free(run)
    check_links(run)
    _check_configuration(config, Path(config.run))


def _check_configuration(config, run):
    if not (run / CONFIG).exists():
        return
    free = ["run", "show"]
    if config.schedule == "inverse_sqrt":
        free += ["epochs", "steps"]
    elif config.steps:
        free += ["epochs"]  # which say nothing then
    earlier = dataclasses.asdict(read_config(run, type(config)))
    # As a file gives it back, with lists for tuples.
    given = json.loads(json.dumps(dataclasses.asdict(config)))
    differing = [
        f"{name} {earlier[name]!r} there, {value!r} here"
        for name, value in given.items()
        if name not in free and earlier[name] != value
    ]
    if differing:
        raise UsageError(
            f"{run} holds a run of another configuration: "
            f"{'; '.join(differing)}. Name another folder with --run."
        )


@contextlib.contextmanager
def start_run(config, write_more):
    """Makes the run folder, and keeps other processes out of it.

    In one that is there, it renews the configuration.

    Args:
        config: dataclass with a field `run`, the path of the folder.
        write_more: function that writes further files into a new folder.

    Yields:
        The `pathlib.Path` of the folder.

    Raises:
        ValueError: if another process trains there.
    """
    run = Path(config.run)
    text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
    with locks.one_process(run, "training"):
        _check_configuration(config, run)
        if (run / CONFIG).exists():
            with replacing(run / CONFIG) as partial:
                partial.write_text(text, encoding="utf-8")
        else:
            with replacing_folder(run, CONFIG) as partial:
                write_more(partial)
                (partial / CONFIG).write_text(text, encoding="utf-8")
        yield run


def fit(
    config,
    model,
    batches,
    run,
    scores=(),
    metric="perplexity",
    count="tokens",
):
    """Trains with checkpoints, logs and all that `finish_run` needs.

    Args:
        config: the options `epochs`, `steps`, `checkpoint_steps`, `average`
            and `patience`.
        model: the compiled model.
        batches: dictionary of the data for `"train"` and `"validation"`.
        run: `pathlib.Path` of the run folder.
        scores: callbacks that add to the logs of an epoch.
        metric: name of the metric that tells the best epoch.
        count: name of the metric that counts what is trained on.
    """
    history = training.resume_fit(
        model,
        batches["train"],
        training.Checkpoint(
            run / CHECKPOINT, every_steps=config.checkpoint_steps
        ),
        epochs=None if config.steps else config.epochs,
        steps=config.steps or None,
        callbacks=[
            training.TokensPerSecond(count, f"{count}_per_second"),
            *scores,
            training.BestWeights(
                run / "best.weights.h5",
                monitor=f"val_{metric}",
                mode=_mode(metric),
                patience=config.patience,
                verbose=1,
            ),
            training.LastWeights(run / "last", keep=config.average),
            training.CSVLog(run / "metrics.csv"),
            *training.logs.tensorboard(run / "tensorboard"),
        ],
        validation_data=batches["validation"],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if not config.steps and len(history.epoch) < config.epochs:
        print(f"Stopped early after {len(history.epoch)} epochs.")


def _mode(metric):
    return "min" if metric in ("loss", "perplexity") else "max"


def finish_run(config, task, validation, run, metric="perplexity"):
    """Chooses weights and writes the task, its metrics and the curves.

    `metrics.json` comes after the task and says how far it has come.

    Args:
        config: the options `epochs` and `steps`.
        task: the task around the model that was trained.
        validation: the validation batches.
        run: `pathlib.Path` of the run folder.
        metric: name of the metric that tells the better weights.
    """
    metrics = choose_weights(task.model, validation, run, metric)
    task.save(run / TASK)
    length = {"epochs": config.epochs, "steps": config.steps}
    with replacing(run / METRICS) as partial:
        text = json.dumps({**length, **metrics}, indent=2) + "\n"
        partial.write_text(text, encoding="utf-8")
    plot_curves(run / "metrics.csv", run / "curves.png")


def finished_task(run, cls):
    """Finds the task that a finished run has saved.

    Args:
        run: path of the folder.
        cls: the dataclass that its configuration was written from.

    Raises:
        UsageError: if there is no run, it is one of another recipe, or it is
            not finished.
    """
    config = read_config(run, cls)
    run = Path(run)
    recover(run / TASK)
    check_links(run)  # what evaluates writes into the folder too
    if not (run / TASK).is_dir() or not (run / METRICS).is_file():
        raise UsageError(
            f"The run in {run} is not finished. The command that began it "
            "goes on with it."
        )
    metrics = _read_fields(run / METRICS)
    done = [metrics.get(name) for name in ("epochs", "steps")]
    if any(type(number) is not int for number in done):
        raise UsageError(
            f"{run / METRICS} is damaged: it lacks the epochs or the steps, "
            "or they are no integers."
        )
    if done != [config.epochs, config.steps]:
        print(
            f"note: {run} goes on and is not finished; this is its task of "
            f"before (epochs {done[0]}, steps {done[1]})",
            file=sys.stderr,
        )
    return run / TASK


def choose_weights(model, validation, run, metric="perplexity"):
    """Loads the better of the best epoch's and the averaged weights.

    Args:
        model: the compiled model.
        validation: the validation batches.
        run: path of the run folder, with `best.weights.h5` and `last/`.
        metric: name of the metric that tells the better ones.

    Returns:
        Dictionary of the two validation scores and which was kept.
    """
    epochs = sorted((run / "last").glob("epoch-*.weights.h5"))
    training.average_weights(epochs, run / "averaged.weights.h5")
    found = {}
    for name in ("best", "averaged"):
        training.load_weights(model, run / f"{name}.weights.h5")
        scores = model.evaluate(validation, verbose=0, return_dict=True)
        found[name] = scores[metric]
    sign = 1 if _mode(metric) == "min" else -1
    # A NaN comes last; of equals, what was not chosen by this very score.
    kept = min(
        reversed(found),
        key=lambda name: (math.isnan(found[name]), sign * found[name]),
    )
    training.load_weights(model, run / f"{kept}.weights.h5")
    print(
        f"Validation {metric}: best epoch {found['best']:.4f}, mean "
        f"of the last {len(epochs)} epochs {found['averaged']:.4f}; "
        f"kept: {kept}."
    )
    # JSON has no NaN.
    found = {x: y if math.isfinite(y) else None for x, y in found.items()}
    return {f"validation_{metric}": found, "kept": kept}
