"""What the recipes share: commands, run folders, curves."""

import csv
import dataclasses
import json
import sys
from pathlib import Path

import keras

from keras_attention import training
from keras_attention.files import replacing_folder

CONFIG = "config.json"
TASK = "task"


class UsageError(ValueError):
    """What the user can mend: one message and exit code 2."""


def run_commands(commands, description):
    """Parses the command line and runs one of its commands.

    What went wrong is one message on standard error and exit code 2.

    Args:
        commands: dictionary from a command's name to its dataclass of
            options and the function that takes an instance of it.
        description: text of `--help`.
    """
    import tyro

    options = tyro.extras.subcommand_cli_from_dict(
        {name: options for name, (options, _) in commands.items()},
        description=description,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    function = next(f for cls, f in commands.values() if type(options) is cls)
    try:
        function(options)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


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


def start_run(config, free, write_more):
    """Makes the run folder, or checks that it is of this configuration.

    Args:
        config: dataclass with a field `run`, the path of the folder.
        free: names of fields that may differ when a run goes on.
        write_more: function that writes further files into a new folder.

    Returns:
        The `pathlib.Path` of the folder.

    Raises:
        UsageError: if the folder is of another configuration.
    """
    run = Path(config.run)
    if (run / CONFIG).exists():
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
        return run
    with replacing_folder(run, CONFIG) as partial:
        write_more(partial)
        text = json.dumps(dataclasses.asdict(config), indent=2)
        (partial / CONFIG).write_text(text + "\n", encoding="utf-8")
    return run


def finished_task(run):
    """Finds the task that a finished run has saved.

    Raises:
        UsageError: if there is no run, or it is not finished.
    """
    run = Path(run)
    if not (run / CONFIG).is_file():
        raise UsageError(f"{run} is not a run folder: {CONFIG} is missing.")
    if not (run / TASK).is_dir():
        raise UsageError(
            f"The run in {run} is not finished. The command that began it "
            "goes on with it."
        )
    return run / TASK


def compile_for_tokens(config, model):
    """Sets up Adam, its schedule and the smoothed loss of a token model.

    Args:
        config: the options `learning_rate`, `warmup_steps`, `clip_norm`,
            `label_smoothing` and `jit`.
        model: the model to compile.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(
            training.InverseSquareRootSchedule(
                config.learning_rate, config.warmup_steps
            ),
            beta_1=0.9,
            beta_2=0.98,
            epsilon=1e-9,
            global_clipnorm=config.clip_norm,
        ),
        loss=training.LabelSmoothedCrossentropy(config.label_smoothing),
        weighted_metrics=[training.Perplexity(), training.TokenCount()],
        jit_compile=config.jit or keras.backend.backend() == "jax",
    )


class ValidationScore(keras.callbacks.Callback):
    """Adds scores of greedy outputs to the logs of an epoch.

    Args:
        task: the `TextToText` in training.
        sources, targets: lists of strings.
        score: function from `(outputs, targets)` to a dictionary of numbers.
    """

    def __init__(self, task, sources, targets, score):
        super().__init__()
        self.task = type(task)(
            task.model,
            task.source_tokenizer,
            task.target_tokenizer,
            **{**task.settings, "num_beams": 1},
        )
        self.sources, self.targets, self.score = sources, targets, score

    def on_epoch_end(self, epoch, logs=None):
        # Asking for the model makes the JAX trainer hand over its weights.
        self.task.model = self.model
        logs.update(self.score(self.task(self.sources), self.targets))


def show_samples(task, sources, targets):
    """Prints outputs beside their references."""
    outputs = task(sources)
    for source, target, output in zip(sources, targets, outputs, strict=True):
        print(f"\nsource     {source}\nreference  {target}")
        print(f"output     {output}")


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
    kept = min(perplexities, key=perplexities.get)
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
        if name.startswith("val_")
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
