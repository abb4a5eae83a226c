"""Where classification.py gets its examples from, and their batches."""

import dataclasses
import re
import sys

import numpy as np

from keras_attention.data import (
    DataError,
    load_columns,
    load_images,
)
from keras_attention.data.images.loading import fit_images
from keras_attention.data.sources.docstrings import load_labelled_docstrings
from keras_attention.runs.checks import UsageError
from keras_attention.runs.data import load_splits
from keras_attention.runs.image_size import (
    check_image_size,
    image_size,
    read_images,
)

SCALE = 1 / 255  # of pixels
NAMED = 10  # labels that an error message lists


def check_data_options(config):
    """Refuses columns and sizes that mean nothing before anything is read."""
    defaults = {x.name: x.default for x in dataclasses.fields(config)}
    for name in ("text", "label"):
        if config.dataset == "demo" and getattr(config, name) != defaults[name]:
            raise UsageError(
                f"--{name} names a column of a table, not of the demo."
            )
    if config.inputs == "text" and config.text == config.label:
        raise UsageError(
            f"--text and --label must be two columns. Received: {config.text} "
            "for both"
        )
    check_image_size(config)


def load_examples(config, dataset, split, image_shape=None):
    """Loads what is classified and the names of the classes.

    Args:
        config: the options of training.
        dataset, split: strings.
        image_shape: `(height, width, channels)` that a model takes, for
            images; None for any.

    Returns:
        `(inputs, labels)`: a list of texts or an array of images, and a list
        of strings.
    """
    if config.inputs == "images":
        images, labels = load_images(dataset, split, image_size(config))
        if image_shape is not None:
            name = f"{dataset}, split {split!r},"
            images = fit_images(images, image_shape, name)
        return images, labels
    if dataset == "demo":
        return load_labelled_docstrings(split)
    columns = {"text": config.text, "label": config.label}
    texts, labels = load_columns(dataset, split, columns)
    return texts, [one_spelling(label) for label in labels]


def one_spelling(label):
    """Writes a class `1.0`, as a number with gaps becomes in a table, as 1."""
    return re.sub(r"([+-]?[0-9]+)\.0+", r"\1", label.strip())


def load_for_training(config):
    """Loads the examples of training and validation.

    Returns:
        Dictionary of `"train"` and `"validation"`, each as `load_examples`
        returns it.
    """
    examples = load_splits(config, load_examples, by_class=True)
    if config.inputs == "images":
        images, labels = examples["validation"]
        shape = examples["train"][0].shape[1:]
        name = f"{config.dataset}, split {config.validation_split!r},"
        examples["validation"] = fit_images(images, shape, name), labels
    return examples


def number_labels(given, labels, split):
    """Turns names of classes into numbers.

    Args:
        given: list of strings.
        labels: the known classes, in their order.
        split: what the error message calls the examples.

    Returns:
        int32 array.

    Raises:
        DataError: for a label that training does not have.
    """
    places = {label: place for place, label in enumerate(labels)}
    present = set(given)
    unknown = sorted(present - set(places))
    if unknown:
        count = sum(label in unknown for label in given)
        raise DataError(
            f"{count} of {len(given)} examples in split {split!r} have labels "
            f"that training does not have: {_listing(unknown)}. Known: "
            f"{_listing(labels)}."
        )
    missing = [label for label in labels if label not in present]
    if missing:
        print(
            f"note: split {split!r} has no example of {len(missing)} of "
            f"{len(labels)} classes: {_listing(missing)}",
            file=sys.stderr,
        )
    return np.array([places[label] for label in given], "int32")


def number_classes(examples):
    """Finds the classes of training, and gives all labels their numbers.

    Args:
        examples: dictionary from splits to `(inputs, labels)`.

    Returns:
        `(labels, numbers)`: the classes in their order, and a dictionary from
        splits to int32 arrays.

    Raises:
        UsageError: if training has one class alone.
        DataError: for a label that training does not have.
    """
    labels = sorted(set(examples["train"][1]))
    if len(labels) < 2:
        raise UsageError(
            f"There must be two classes at least. The training examples have "
            f"{', '.join(map(repr, labels))} alone."
        )
    numbers = {
        split: number_labels(given, labels, split)
        for split, (_, given) in examples.items()
    }
    return labels, numbers


def name_images(config, task, names, shape):
    """Reads and classifies image files; a blank name has a blank answer."""
    if isinstance(names, str):
        return name_images(config, task, [names], shape)[0]
    given = [name for name in names if name.strip()]
    found = iter(task(read_images(config, given, shape)) if given else ())
    return [next(found) if name.strip() else "" for name in names]


def _listing(names):
    more = ", ..." if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more
