"""The names of the classes that a model tells apart."""

from keras_attention.checks import check_labels


class NamesClasses:
    """Mixin of a model with `num_classes`: its `labels` may be set anew."""

    @property
    def labels(self):
        """The names of the classes, a list, or None."""
        return None if self._labels is None else list(self._labels)

    @labels.setter
    def labels(self, labels):
        labels = check_labels(labels, self.num_classes)
        self._labels = None if labels is None else tuple(labels)
