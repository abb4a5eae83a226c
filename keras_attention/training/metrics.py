"""Metrics over tokens, exact for batches of any length and padding.

Keras' own metrics divide each batch's sums by its length before adding them
up, so that a token counts for more in short batches than in long ones, and
`loss` and `val_loss` average over batches. These divide once, at the end.
"""

import keras
from keras import ops

from keras_attention.training.losses import token_crossentropy


class _TokenMean(keras.metrics.Metric):
    """The weighted mean over all tokens of what `token_values` gives."""

    def __init__(self, name, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = ops.cast(self.token_values(y_true, y_pred), self.dtype)
        if sample_weight is None:
            sample_weight = ops.ones_like(values)
        sample_weight = ops.cast(sample_weight, self.dtype)
        self.total.assign_add(ops.sum(values * sample_weight))
        self.count.assign_add(ops.sum(sample_weight))

    def result(self):
        return ops.divide_no_nan(self.total, self.count)


@keras.saving.register_keras_serializable(package="keras_attention")
class TokenAccuracy(_TokenMean):
    """The share of tokens whose largest logit is the label's.

    Give it to `compile` under `weighted_metrics`, so that padding (weight 0)
    does not count.

    Args:
        name: name of the metric.
        dtype: dtype of the metric.

    Call arguments:
        y_true: integer labels, `(batch, length)`.
        y_pred: logits, `(batch, length, vocabulary_size)`.
        sample_weight: optional, `(batch, length)`.

    Returns:
        A scalar.
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(name, dtype)

    def token_values(self, y_true, y_pred):
        predicted = ops.argmax(y_pred, axis=-1)
        return ops.equal(predicted, ops.cast(y_true, predicted.dtype))


@keras.saving.register_keras_serializable(package="keras_attention")
class Perplexity(_TokenMean):
    """The exponential of the mean cross-entropy of the tokens.

    Without label smoothing, whatever the loss has. Give it to `compile` under
    `weighted_metrics`, so that padding (weight 0) does not count.

    Args:
        name: name of the metric.
        dtype: dtype of the metric.

    Call arguments:
        y_true: integer labels, `(batch, length)`.
        y_pred: logits, `(batch, length, vocabulary_size)`.
        sample_weight: optional, `(batch, length)`.

    Returns:
        A scalar.

    Reference:
        Jelinek et al., 1977, Perplexity, a measure of the difficulty of
        speech recognition tasks, https://doi.org/10.1121/1.2016299
    """

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(name, dtype)

    def token_values(self, y_true, y_pred):
        return token_crossentropy(y_true, ops.cast(y_pred, self.dtype))

    def result(self):
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(package="keras_attention")
class TokenCount(keras.metrics.Metric):
    """The number of tokens seen: the sum of the sample weights.

    Give it to `compile` under `weighted_metrics`; `TokensPerSecond` reads it.
    Without sample weights every label counts.

    Args:
        name: name of the metric.
        dtype: dtype of the metric.

    Call arguments:
        y_true: labels, `(batch, length)`.
        y_pred: not used.
        sample_weight: optional, `(batch, length)`.

    Returns:
        A scalar.
    """

    def __init__(self, name="tokens", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is None:
            sample_weight = ops.ones_like(y_true, dtype=self.dtype)
        self.total.assign_add(ops.sum(ops.cast(sample_weight, self.dtype)))

    def result(self):
        # A tensor, not the variable, which the next reset would change.
        return self.total + 0.0
