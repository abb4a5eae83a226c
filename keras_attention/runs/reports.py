"""What is said of a classifier: scores, pictures, mistakes."""

import numpy as np

from keras_attention import optional
from keras_attention.files import replacing
from keras_attention.visualization.plot import font_families


def scores(labels, predicted):
    """Computes accuracy and macro-averaged F1.

    Args:
        labels, predicted: integers `(rows,)`.

    Returns:
        Dictionary of `accuracy` and `macro_f1`.
    """
    metrics = optional.load("sklearn.metrics", "Scoring", "recipes")
    present = np.union1d(labels, predicted)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "macro_f1": float(
            metrics.f1_score(
                labels,
                predicted,
                average="macro",
                labels=present,
                zero_division=0.0,
            )
        ),
    }


def plot_confusion(labels, predicted, names, path):
    """Draws how often each class was taken for which, as a PNG.

    Args:
        labels, predicted: integers `(rows,)`.
        names: list of strings, the classes.
        path: of the file to write or replace.
    """
    metrics = optional.load("sklearn.metrics", "Scoring", "recipes")
    counts = metrics.confusion_matrix(
        labels, predicted, labels=np.arange(len(names))
    )
    size = min(max(4.0, 1.5 + 0.4 * len(names)), 24.0)
    figure, axis = _figure((size + 1, size))
    # Each row by its own sum, so that small classes show as well.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axis, label="share of the class")
    font = 9 if len(names) <= 20 else 4
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
    axis.set_yticks(range(len(names)), names, fontsize=font)
    families = font_families()
    for label in (*axis.get_xticklabels(), *axis.get_yticklabels()):
        label.set_parse_math(False)
        label.set_fontfamily(families)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    if len(names) <= 20:
        for row, column in np.ndindex(counts.shape):
            if counts[row, column]:
                axis.text(
                    column,
                    row,
                    str(counts[row, column]),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    _save(figure, path)


def calibration(labels, probabilities, bins=10):
    """Compares how sure a classifier is with how often it is right.

    Args:
        labels: integers `(rows,)`.
        probabilities: `(rows, classes)`.
        bins: integer, of equal width, of the largest probability.

    Returns:
        `(error, table)`: the expected calibration error (Guo et al. 2017,
        https://arxiv.org/abs/1706.04599), and for each bin that has rows
        `(confidence, accuracy, rows)`.
    """
    confidence = probabilities.max(axis=-1)
    correct = probabilities.argmax(axis=-1) == labels
    places = np.minimum((confidence * bins).astype("int64"), bins - 1)
    table, error = [], 0.0
    for place in np.unique(places):
        inside = places == place
        row = confidence[inside].mean(), correct[inside].mean(), inside.sum()
        table.append(tuple(map(float, row)))
        error += abs(row[0] - row[1]) * row[2] / len(labels)
    return float(error), table


def plot_calibration(labels, probabilities, path):
    """Draws the table of `calibration` as a PNG.

    Returns:
        The expected calibration error.
    """
    error, table = calibration(labels, probabilities)
    confidence, accuracy, rows = map(np.array, zip(*table, strict=True))
    figure, axis = _figure((4.5, 4.5))
    axis.plot([0, 1], [0, 1], color="gray", linestyle="--", label="ideal")
    axis.plot(confidence, accuracy, color="tab:blue", linewidth=1)
    axis.scatter(
        confidence,
        accuracy,
        s=20 + 180 * rows / rows.max(),
        color="tab:blue",
        label="size: how many",
    )
    axis.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="largest probability",
        ylabel="share that is right",
        title=f"calibration error {error:.3f}",
    )
    axis.legend(loc="upper left")
    _save(figure, path)
    return error


def worst_mistakes(labels, probabilities, count):
    """Finds the rows that the classifier is most sure of and wrong about.

    Returns:
        Integer array of at most `count` row indices, the worst first.
    """
    predicted = probabilities.argmax(axis=-1)
    wrong = np.flatnonzero(predicted != labels)
    order = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return wrong[order[:count]]


def choose_threshold(inside, correct, outside):
    """Chooses from where on a largest probability is believed.

    The threshold is the one with the most right decisions on both sets: the
    examples of a known class that are named and named rightly, and those of
    none that are refused.

    Args:
        inside: `(rows,)`, largest probabilities of examples of known classes.
        correct: boolean `(rows,)`, whether their class is the right one.
        outside: `(others,)`, those of examples of none.

    Returns:
        The threshold, a float; examples below it are refused.
    """
    candidates = np.unique(np.concatenate([[0.0], inside, outside, [1.01]]))
    named = np.sort(inside[correct])
    right = len(named) - np.searchsorted(named, candidates)
    refused = np.searchsorted(np.sort(outside), candidates)
    return float(candidates[np.argmax(right + refused)])


def _figure(size):
    module = optional.load("matplotlib.figure", "The picture of a report")
    figure = module.Figure(figsize=size)
    return figure, figure.add_subplot()


def _save(figure, path):
    figure.tight_layout()
    with replacing(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
