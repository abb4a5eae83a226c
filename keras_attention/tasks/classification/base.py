"""Base of the tasks that name a class."""

import numpy as np
from keras import ops

from keras_attention.models.classifier import Classifier
from keras_attention.tasks.core.task import Task


class Classifying(Task):
    """Base of `TextClassifier` and `ImageClassifier`.

    A task overrides `batches` and says its kind.

    Args:
        model: a `Classifier`.
        labels: list of different strings, the names of the classes; None for
            the model's own.
        settings: dictionary, with a `batch_size`.
    """

    model_class = Classifier

    def __init__(self, model, labels, settings):
        self.check_model(model)
        labels = model.labels if labels is None else labels
        check_labels(model, labels)
        self.model = model
        self.labels = list(labels)
        self.settings = settings

    def batches(self, inputs):
        """Makes arrays that the model takes.

        Args:
            inputs: list of inputs.

        Yields:
            `(indices, array)`: which inputs, and the rows of as many of them,
            or more.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override batches."
        )

    def probabilities(self, inputs):
        """Gives the probability of each class.

        Args:
            inputs: as of the call, a list or an array of several.

        Returns:
            NumPy float32 `(len(inputs), len(labels))`, in the order of
            `labels`.
        """
        found = np.zeros((len(inputs), len(self.labels)), "float32")
        for indices, array in self.batches(inputs):
            logits = self.model.predict_on_batch(array)
            logits = ops.convert_to_numpy(logits)[: len(indices)]
            found[indices] = softmax(logits.astype("float32"))
        return found

    def name(self, probabilities):
        """Gives the names of the most probable classes, a list."""
        return [self.labels[i] for i in np.argmax(probabilities, axis=-1)]

    def saved_settings(self):
        return {"labels": self.labels, **self.settings}


def check_labels(model, labels):
    """Refuses what cannot name the classes of a model.

    Args:
        model: a `Classifier`.
        labels: what was given.

    Raises:
        ValueError: for anything but as many different strings as classes.
    """
    if model.num_classes < 2:
        raise ValueError(
            "A task names one of two classes at least. The model has "
            f"num_classes={model.num_classes}: it gives one number for each "
            "input, which its own call returns."
        )
    check_names(labels, model.num_classes)


def check_names(labels, num_classes):
    """Raises ValueError for anything but different names of all classes.

    Args:
        labels: what was given.
        num_classes: integer.
    """
    valid = isinstance(labels, (list, tuple)) and all(
        isinstance(label, str) for label in labels
    )
    if not valid or len(set(labels)) != len(labels):
        raise ValueError(
            f"labels must be a list of different strings. Received: {labels!r}"
        )
    if len(labels) != num_classes:
        raise ValueError(
            f"The model has num_classes={num_classes}. Received: "
            f"{len(labels)} labels"
        )


def softmax(logits):
    """Turns `(rows, classes)` of NumPy into probabilities."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
