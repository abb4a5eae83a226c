"""The folder of a run: its options, weights and task."""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

from keras_attention import locks
from keras_attention.files import (
    check_folder,
    check_links,
    recover,
    replacing,
    replacing_folder,
)
from keras_attention.json_files import check_fields, read_json
from keras_attention.layers.norm_first import translate_norm_first
from keras_attention.runs.checks import UsageError, check_numbers

CONFIG = "config.json"
CHECKPOINT = "checkpoint.npz"
METRICS = "metrics.json"
ADAPTER = "adapter"  # of LoRA, for PEFT
TASK = "task"


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
        config: `RunOptions`, of which `show` and `callback` may differ when a
            run goes on, and `epochs` and `steps` unless the schedule hangs on
            them.

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
    free = ["callback", "run", "show"]
    # A warm-up of 0 steps is a share of all.
    if config.schedule == "inverse_sqrt" and config.warmup_steps:
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
