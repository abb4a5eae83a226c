"""What a run tells the model card of its task."""

import dataclasses
import sys
from pathlib import Path

from keras_attention.models.saving.card import CARD, add_scores
from keras_attention.runs.folder import TASK
from keras_attention.runs.tuning import without_meaning

# Options that say nothing of how a model came to be, or of a score.
_LEFT_OUT = {
    "run",
    "show",
    "split",
    "batch_size",
    "by_length",
    "outside_split",
    "outside_validation",
}


def describe(config):
    """Lists the options of a run, but for those that are empty or say nothing.

    Args:
        config: the options of training (`RunOptions`).

    Returns:
        Dictionary for the card.
    """
    options, left_out = dataclasses.asdict(config), without_meaning(config)
    told = {
        name: value
        for name, value in options.items()
        if name not in _LEFT_OUT or name == "batch_size"
        if value not in ("", (), []) and name not in left_out
    }
    return {"recipe": Path(sys.argv[0]).name, **told}


def kept_score(metrics, metric):
    """Gives the validation score of the weights that were kept.

    Args:
        metrics: what `choose_weights` gave.
        metric: its name.

    Returns:
        Dictionary for the card, empty where there is no number.
    """
    score = metrics[f"validation_{metric}"][metrics["kept"]]
    return {} if score is None else {f"{metric} (validation)": score}


def tell_scores(arguments, scores):
    """Adds scores to the card of a run's task.

    Their names say the split, and what else was asked for by options.

    Args:
        arguments: options of the command `evaluate`.
        scores: dictionary from names to numbers.
    """
    told = [
        f"{field.name}={getattr(arguments, field.name)}"
        for field in dataclasses.fields(arguments)
        if field.name not in _LEFT_OUT
        if getattr(arguments, field.name) != field.default
    ]
    where = ", ".join([arguments.split, *told])
    named = {f"{name} ({where})": score for name, score in scores.items()}
    path = Path(arguments.run) / TASK / CARD
    try:
        add_scores(path, named)
    except OSError as error:  # of a folder that is only to be read
        print(f"{path} stays as it is: {error.strerror}", file=sys.stderr)
