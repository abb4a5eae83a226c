"""The folder of a run: its configuration, weights, curves and task."""

import csv
import dataclasses
import json
import math
import sys
from pathlib import Path

from common import UsageError

from keras_attention import training
from keras_attention.files import replacing, replacing_folder

CONFIG = "config.json"
METRICS = "metrics.json"
TASK = "task"


def read_config(run, cls):
    """Reads the configuration of a run folder.

    Args:
        run: path of the folder.
        cls: the dataclass that it was written from.

    Returns:
        An instance of `cls`.

    Raises:
        UsageError: if there is none, or it is not one of this recipe.
    """
    path = Path(run) / CONFIG
    if not path.is_file():
        raise UsageError(f"{run} is not a run folder: {CONFIG} is missing.")
    try:
        return cls(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not of this recipe: {error}") from None


def check_run(config, free):
    """Checks that the run folder, if there is one, is of this configuration.

    Args:
        config: dataclass with a field `run`, the path of the folder.
        free: names of fields that may differ when a run goes on.

    Raises:
        UsageError: if the folder is of another configuration.
    """
    run = Path(config.run)
    if not (run / CONFIG).exists():
        return
    earlier = dataclasses.asdict(read_config(run, type(config)))
    differing = [
        f"{name} {earlier[name]!r} there, {value!r} here"
        for name, value in dataclasses.asdict(config).items()
        if name not in ("run", *free) and earlier[name] != value
    ]
    if differing:
        raise UsageError(
            f"{run} holds a run of another configuration: "
            f"{'; '.join(differing)}. Name another folder with --run."
        )


def start_run(config, write_more):
    """Makes the run folder; in one that is there, renews its configuration.

    Args:
        config: dataclass with a field `run`, the path of the folder.
        write_more: function that writes further files into a new folder.

    Returns:
        The `pathlib.Path` of the folder.
    """
    run = Path(config.run)
    text = json.dumps(dataclasses.asdict(config), indent=2) + "\n"
    if (run / CONFIG).exists():
        with replacing(run / CONFIG) as partial:
            partial.write_text(text, encoding="utf-8")
        return run
    with replacing_folder(run, CONFIG) as partial:
        write_more(partial)
        (partial / CONFIG).write_text(text, encoding="utf-8")
    return run


def finish_run(config, metrics):
    """Writes `metrics.json`, which says how far the saved task has come.

    Args:
        config: dataclass with the fields `run`, `epochs` and `steps`.
        metrics: dictionary that JSON can hold.
    """
    length = {"epochs": config.epochs, "steps": config.steps}
    with replacing(Path(config.run) / METRICS) as partial:
        text = json.dumps({**length, **metrics}, indent=2) + "\n"
        partial.write_text(text, encoding="utf-8")


def finished_task(run):
    """Finds the task that a finished run has saved.

    Raises:
        UsageError: if there is no run, or it is not finished.
    """
    run = Path(run)
    if not (run / CONFIG).is_file():
        raise UsageError(f"{run} is not a run folder: {CONFIG} is missing.")
    if not (run / TASK).is_dir() or not (run / METRICS).is_file():
        raise UsageError(
            f"The run in {run} is not finished. The command that began it "
            "goes on with it."
        )
    config, metrics = (
        json.loads((run / name).read_text(encoding="utf-8"))
        for name in (CONFIG, METRICS)
    )
    done = [metrics[name] for name in ("epochs", "steps")]
    if done != [config[name] for name in ("epochs", "steps")]:
        print(
            f"note: {run} goes on and is not finished; this is its task of "
            f"before (epochs {done[0]}, steps {done[1]})",
            file=sys.stderr,
        )
    return run / TASK


def choose_weights(model, validation, run):
    """Loads the better of the best epoch's and the averaged weights.

    Args:
        model: the compiled model.
        validation: the validation batches.
        run: path of the run folder, with `best.weights.h5` and `last/`.

    Returns:
        Dictionary of the two validation perplexities and which was kept.
    """
    epochs = sorted((run / "last").glob("epoch-*.weights.h5"))
    training.average_weights(epochs, run / "averaged.weights.h5")
    perplexities = {}
    for name in ("best", "averaged"):
        training.load_weights(model, run / f"{name}.weights.h5")
        scores = model.evaluate(validation, verbose=0, return_dict=True)
        perplexities[name] = scores["perplexity"]
    # A NaN comes last.
    kept = min(
        perplexities,
        key=lambda name: (math.isnan(perplexities[name]), perplexities[name]),
    )
    training.load_weights(model, run / f"{kept}.weights.h5")
    print(
        f"Validation perplexity: best epoch {perplexities['best']:.4f}, mean "
        f"of the last {len(epochs)} epochs {perplexities['averaged']:.4f}; "
        f"kept: {kept}."
    )
    return {"validation_perplexity": perplexities, "kept": kept}


def plot_curves(log, picture):
    """Draws the columns of a CSV log that come with validation.

    Args:
        log: path of a CSV file with a column `epoch`.
        picture: path of the PNG file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with open(log, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    panels = sorted(
        name.removeprefix("val_")
        for name in (rows[0] if rows else {})
        if name.startswith("val_") and name != "val_tokens"
    )
    figure, axes = pyplot.subplots(
        1, max(len(panels), 1), figsize=(4 * max(len(panels), 1), 3)
    )
    for axis, panel in zip(_flat(axes), panels, strict=False):
        for name, label in (
            (panel, "training"),
            (f"val_{panel}", "validation"),
        ):
            if name in rows[0]:
                values = [float(row[name] or "nan") for row in rows]
                axis.plot(epochs, values, label=label)
        axis.set_title(panel)
        axis.set_xlabel("epoch")
        axis.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)


def _flat(axes):
    return axes.ravel() if hasattr(axes, "ravel") else [axes]
