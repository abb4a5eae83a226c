"""Cross-entropy of tokens, with label smoothing."""

import keras
from keras import ops


def token_crossentropy(labels, logits, label_smoothing=0.0):
    """Cross-entropy of each token, by one logsumexp over the vocabulary.

    `-log p[k] = logsumexp(logits) - logits[k]`, so neither one-hot labels nor
    log-probabilities of vocabulary size are made.

    Args:
        labels: integers, `(batch, length)`.
        logits: floats, `(batch, length, vocabulary_size)`.
        label_smoothing: the share of the target spread over all classes.

    Returns:
        Floats, `(batch, length)`.
    """
    indices = ops.expand_dims(ops.cast(labels, "int32"), -1)
    label_logits = ops.take_along_axis(logits, indices, axis=-1)
    target = (1 - label_smoothing) * ops.squeeze(label_logits, -1)
    if label_smoothing:
        target += label_smoothing * ops.mean(logits, axis=-1)
    return ops.logsumexp(logits, axis=-1) - target


@keras.saving.register_keras_serializable(package="keras_attention")
class LabelSmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels, a share of it spread over all classes.

    With `p` the softmax of the logits, a token costs
    `(1 - e) * -log p[label] + e * mean over the vocabulary of -log p`, where
    `e` is `label_smoothing`. The computation is in float32 whatever the
    model's dtype policy.

    The default reduction divides the sum by the sum of the sample weights:
    with weights of 1 for tokens and 0 for padding, the loss is the mean of
    the tokens, however much padding a batch has.

    Args:
        label_smoothing: float from 0 up to (not including) 1.
        reduction: as for every Keras loss.
        name: name of the loss.
        dtype: dtype of the computation.

    Call arguments:
        y_true: integer labels, `(batch, length)`.
        y_pred: logits, `(batch, length, vocabulary_size)`.
        sample_weight: optional, `(batch, length)`.

    Returns:
        A scalar; with `reduction="none"`, the weighted losses
        `(batch, length)`.

    Raises:
        ValueError: if `label_smoothing` is out of range.

    Reference:
        Szegedy et al., 2016, Rethinking the Inception Architecture,
        section 7, https://arxiv.org/abs/1512.00567
    """

    def __init__(
        self,
        label_smoothing=0.1,
        reduction="mean_with_sample_weight",
        name="label_smoothed_crossentropy",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` must be at least 0 and below 1. "
                f"Received: {label_smoothing!r}"
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return token_crossentropy(y_true, y_pred, self.label_smoothing)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
        }
