"""Where classification.py gets its examples from, and their batches."""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from keras_attention.data import (
    DataError,
    load_columns,
    load_images,
)
from keras_attention.data.images.loading import fit_images, read_all
from keras_attention.data.sources.docstrings import load_labelled_docstrings
from keras_attention.runs.checks import UsageError

SCALE = 1 / 255  # of pixels
NAMED = 10  # labels that an error message lists


def check_source(dataset):
    """Refuses a source of examples that is none."""
    kind, _, name = dataset.partition(":")
    if dataset != "demo" and not (kind in ("files", "tfds") and name):
        raise UsageError(
            "--dataset must be demo, files:FOLDER or tfds:NAME. Received: "
            f"{dataset}"
        )


def check_data_options(config):
    """Refuses sources that are none before anything is read."""
    check_source(config.dataset)
    defaults = {x.name: x.default for x in dataclasses.fields(config)}
    for name in ("text", "label"):
        if config.dataset == "demo" and getattr(config, name) != defaults[name]:
            raise UsageError(
                f"--{name} names a column of files: or tfds:, not of the demo."
            )
    if config.inputs == "text" and config.text == config.label:
        raise UsageError(
            f"--text and --label must be two columns. Received: {config.text} "
            "for both"
        )
    split = config.validation_split
    if config.validation_share and split != defaults["validation_split"]:
        raise UsageError(
            "Give --validation-split or --validation-share, not both."
        )


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
        images, labels = load_images(dataset, split)
        if image_shape is not None:
            name = f"{dataset}, split {split!r},"
            images = fit_images(images, image_shape, name)
        return images, labels
    if dataset == "demo":
        return load_labelled_docstrings(split)
    columns = [config.text, config.label]
    texts, labels = load_columns(dataset, split, columns)
    return texts, [label.strip() for label in labels]


def load_for_training(config):
    """Loads the examples of training and validation.

    Returns:
        Dictionary of `"train"` and `"validation"`, each as `load_examples`
        returns it.
    """
    inputs, labels = load_examples(config, config.dataset, config.train_split)
    if not config.validation_share:
        name = config.validation_split
        shape = inputs.shape[1:] if config.inputs == "images" else None
        held = load_examples(config, config.dataset, name, shape)
        return {"train": (inputs, labels), "validation": held}
    order = np.random.default_rng(config.seed).permutation(len(labels))
    count = round(config.validation_share * len(labels))
    if not 0 < count < len(labels):
        raise UsageError(
            f"--validation-share {config.validation_share} of {len(labels)} "
            "examples leaves one side without any."
        )
    # What a class has one of trains, since nothing else can tell it.
    known = {labels[row] for row in order[count:]}
    alone = {labels[row]: row for row in order[:count]}
    moved = [row for label, row in alone.items() if label not in known]
    held = [row for row in order[:count] if row not in moved]
    if not held:
        raise UsageError(
            f"--validation-share {config.validation_share} leaves nothing to "
            "validate with beside one example of each class."
        )
    rows = {"train": [*order[count:], *moved], "validation": held}

    def pick(values, chosen):
        if isinstance(values, np.ndarray):
            return values[chosen]
        return [values[index] for index in chosen]

    return {
        split: (pick(inputs, chosen), pick(labels, chosen))
        for split, chosen in rows.items()
    }


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


def read_images(names, shape):
    """Reads image files for a task.

    Args:
        names: list of file names.
        shape: `(height, width, channels)` that the task expects.

    Returns:
        An array of them.

    Raises:
        DataError: for files that are no images of this size.
    """
    images = read_all([Path(name) for name in names])
    return fit_images(images, shape, names[0])


def name_images(task, names, shape):
    """Reads and classifies image files; a blank name has a blank answer."""
    if isinstance(names, str):
        return name_images(task, [names], shape)[0]
    given = [name for name in names if name.strip()]
    found = iter(task(read_images(given, shape)) if given else ())
    return [next(found) if name.strip() else "" for name in names]


def _listing(names):
    more = ", ..." if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more
