"""Training in a run folder, from the first step to the saved task."""

import json
import math

import keras

from keras_attention import save_lora, training
from keras_attention.files import replacing
from keras_attention.runs.callbacks import load_callback
from keras_attention.runs.cards import describe, kept_score
from keras_attention.runs.commands import tell_what_is_next
from keras_attention.runs.curves import plot_curves
from keras_attention.runs.data import choose_shares
from keras_attention.runs.folder import (
    ADAPTER,
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
        UsageError: if there is no callback of a name that is given.
        ValueError: as `check_run`.
    """
    for name in config.callback:
        load_callback(name)
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
    following=(("evaluate",), ("export",)),
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
        following: the commands that a finished run is for, as
            `tell_what_is_next` takes them.
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
        tell_what_is_next(run, following)


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
        config: the options `epochs`, `steps`, `checkpoint_steps`, `average`,
            `patience` and `callback`.
        model: the compiled model.
        batches: dictionary of the data for `"train"` and `"validation"`.
        run: `pathlib.Path` of the run folder.
        scores: callbacks that add to the logs of an epoch.
        metric: name of the metric that tells the best epoch.
        count: name of the metric that counts what is trained on.
    """
    own = [load_callback(name) for name in config.callback]
    save = training.save_weights
    if getattr(config, "lora", 0):
        save = training.save_trained
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
                save=save,
            ),
            training.LastWeights(run / "last", config.average, save),
            training.CSVLog(run / "metrics.csv"),
            *training.logs.tensorboard(run / "tensorboard"),
            *own,
            training.Progress(),
        ],
        validation_data=batches["validation"],
        verbose=0,
    )
    if not config.steps and len(history.epoch) < config.epochs:
        print(f"Stopped early after {len(history.epoch)} epochs.")


def _mode(metric):
    return "min" if metric in ("loss", "perplexity") else "max"


def finish_run(config, task, validation, run, metric="perplexity"):
    """Chooses weights and writes the task, its metrics and the curves.

    `metrics.json` comes after the task and says how far it has come. The
    adapters of LoRA are folded into the task, and written apart too.

    Args:
        config: the options `epochs` and `steps`.
        task: the task around the model that was trained.
        validation: the validation batches.
        run: `pathlib.Path` of the run folder.
        metric: name of the metric that tells the better weights.
    """
    is_adapted = bool(getattr(config, "lora", 0))
    load = training.load_trained if is_adapted else training.load_weights
    metrics = choose_weights(task.model, validation, run, metric, load)
    if is_adapted:
        save_lora(task.model, run / ADAPTER)
        print(f"The adapters alone, for PEFT, lie in {run / ADAPTER}.")
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


def choose_weights(model, validation, run, metric="perplexity", load=None):
    """Loads the better of the best epoch's and the averaged weights.

    Args:
        model: the compiled model.
        validation: the validation batches.
        run: path of the run folder, with `best.weights.h5` and `last/`.
        metric: name of the metric that tells the better ones.
        load: function of the model and a path that loads a file of weights;
            `load_weights` by default.

    Returns:
        Dictionary of the two validation scores and which was kept.
    """
    load = load or training.load_weights
    epochs = sorted((run / "last").glob("epoch-*.weights.h5"))
    training.average_weights(epochs, run / "averaged.weights.h5")
    found = {}
    for name in ("best", "averaged"):
        load(model, run / f"{name}.weights.h5")
        scores = model.evaluate(validation, verbose=0, return_dict=True)
        found[name] = scores[metric]
    sign = 1 if _mode(metric) == "min" else -1
    # A NaN comes last; of equals, what was not chosen by this very score.
    kept = min(
        reversed(found),
        key=lambda name: (math.isnan(found[name]), sign * found[name]),
    )
    load(model, run / f"{kept}.weights.h5")
    print(
        f"Validation {metric}: best epoch {found['best']:.4f}, mean "
        f"of the last {len(epochs)} epochs {found['averaged']:.4f}; "
        f"kept: {kept}."
    )
    # JSON has no NaN.
    found = {x: y if math.isfinite(y) else None for x, y in found.items()}
    return {f"validation_{metric}": found, "kept": kept}
