"""Training in a run folder, from the first step to the saved task."""

import json
import math
import sys

import keras

from keras_attention import training
from keras_attention.files import replacing
from keras_attention.runs.cards import describe, kept_score
from keras_attention.runs.curves import plot_curves
from keras_attention.runs.data import choose_shares
from keras_attention.runs.folder import (
    CHECKPOINT,
    METRICS,
    TASK,
    check_run,
    start_run,
)


def prepare(config):
    """Refuses a folder that the run does not fit; sets seed and precision.

    Args:
        config: the options of training (`RunOptions`). Shares of a data set
            that is not divided are filled in.

    Raises:
        ValueError: as `check_run`.
    """
    choose_shares(config)
    check_run(config)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)


def train_task(
    config,
    task,
    batches,
    *,
    told,
    save_more,
    show,
    scores=(),
    metric="perplexity",
    count="tokens",
):
    """Trains a task in its run folder, or goes on there, and saves it.

    Args:
        config: the options of training (`RunOptions`).
        task: the task around the compiled model.
        batches: dictionary of the data for `"train"` and `"validation"`.
        told: string, what is trained on, for the first line.
        save_more: function that writes what the task needs besides its model,
            such as tokenizers, into a new folder; a run that goes on reads it.
        show: function of the run folder, which shows samples at the end.
        scores: callbacks that add to the logs of an epoch.
        metric: name of the metric that tells the best epoch.
        count: name of the metric that counts what is trained on.
    """
    padding = ""
    if hasattr(batches["train"], "padding_share"):
        padding = f"padding {batches['train'].padding_share:.1%}, "
    with start_run(config, save_more) as run:
        print(
            f"{told}, {task.model.count_params():,} weights, "
            f"{len(batches['train'])} batches an epoch, {padding}run folder "
            f"{run}"
        )
        fit(config, task.model, batches, run, scores, metric, count)
        finish_run(config, task, batches["validation"], run, metric)
        show(run)
        print(f"The run lies in {run}. Try:")
        print(f"  python {sys.argv[0]} evaluate --run {run}")


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
    task.save(
        run / TASK,
        training=describe(config),
        scores=kept_score(metrics, metric),
    )
    length = {"epochs": config.epochs, "steps": config.steps}
    with replacing(run / METRICS) as partial:
        text = json.dumps({**length, **metrics}, indent=2) + "\n"
        partial.write_text(text, encoding="utf-8")
    plot_curves(run / "metrics.csv", run / "curves.png")


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
