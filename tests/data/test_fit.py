"""What `fit` makes of the batches, on the active backend."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.data import TokenBatches

ROWS = 41
VOCABULARY = 10 + ROWS


class Linear(keras.losses.Loss):
    """The output itself, so that each visit of a label moves its weight."""

    def __init__(self):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return y_pred


class Sum(layers.Layer):
    """Adds the first source's weight to those of the targets."""

    def call(self, source, target):
        return (source[:, :1] + target)[:, :, 0]


def make_batches(**options):
    """Row i is [10 + i], repeated so that lengths differ."""
    rows = [[10 + row] * (1 + row % 11) for row in range(ROWS)]
    options = {"token_budget": 24, "seed": 3, "max_shapes": 3, **options}
    return TokenBatches(rows, rows, start_id=2, end_id=3, **options)


def make_model(optimizer=None):
    source = layers.Input((None,), dtype="int32", name="source_ids")
    target = layers.Input((None,), dtype="int32", name="target_ids")
    embed = [layers.Embedding(VOCABULARY, 1, "zeros") for _ in range(2)]
    model = keras.Model(
        {"source_ids": source, "target_ids": target},
        Sum()(embed[0](source), embed[1](target)),
    )
    model.compile(
        optimizer or keras.optimizers.SGD(1.0),
        Linear(),
        jit_compile=False,
    )
    return model


def visits(model):
    """How often each row came by, from the sources and from the targets."""
    source, target = (weight[:, 0] for weight in model.get_weights())
    lengths = 1 + np.arange(ROWS) % 11
    assert target[0] == source[0] == 0  # padding counts nothing
    return -source[10:] / (lengths + 1), -target[10:] / lengths


def fit(model, batches, **options):
    return model.fit(batches, verbose=0, **options)


@pytest.mark.parametrize("epochs", [1, 3])
def test_each_epoch_sees_each_row_once(epochs):
    model, batches = make_model(), make_batches()
    history = fit(model, batches, epochs=epochs)
    for counts in visits(model):
        np.testing.assert_array_equal(counts, epochs)
    assert len(history.epoch) == epochs
    assert batches.epoch == epochs


def test_an_unbuilt_model_and_validation_take_nothing_from_the_epoch():
    inner = make_model()

    class Unbuilt(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs)

    model, batches = Unbuilt(), make_batches()
    model.compile(keras.optimizers.SGD(1.0), Linear(), jit_compile=False)
    validation = make_batches(shuffle=False)
    history = fit(model, batches, epochs=2, validation_data=validation)
    for counts in visits(inner):
        np.testing.assert_array_equal(counts, 2)
    assert len(history.history["val_loss"]) == 2
    assert batches.epoch == 2


class Recorded(TokenBatches):
    """Remembers which batches were asked for."""

    def batch(self, epoch, index):
        self.asked = [*getattr(self, "asked", []), (epoch, index)]
        return super().batch(epoch, index)


def test_order_is_our_own_even_where_fit_would_shuffle():
    rows = [[10 + row] * (1 + row % 11) for row in range(ROWS)]
    batches = Recorded(
        rows, rows, start_id=2, end_id=3, token_budget=24, max_shapes=2
    )
    random.seed(0)
    fit(make_model(), batches, epochs=2, shuffle=True)
    total = len(batches)
    expected = [(epoch, i) for epoch in range(2) for i in range(total)]
    assert batches.asked[-len(expected) :] == expected


@pytest.mark.parametrize("first", [0, 1])
def test_lengths_may_change_after_batches_that_share_them(first):
    batches = make_batches(shuffle=False, max_shapes=2)
    batches.start_at(0, first)
    lengths = [labels.shape[1] for _, labels, _ in batches]
    assert lengths[0] == lengths[1] != lengths[-1]
    fit(make_model(), batches)
    assert batches.epoch == 1


def test_a_resumed_run_ends_with_the_weights_of_a_whole_one():
    adam = keras.optimizers.Adam
    whole = make_model(adam(0.1))
    fit(whole, make_batches(), epochs=3)

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 3

    batches = make_batches()
    model = make_model(adam(0.1))
    fit(model, batches, epochs=1)
    # Epoch 1 is broken off after four of its batches, and goes on in another
    # data set.
    fit(model, batches, epochs=2, initial_epoch=1, callbacks=[Break()])
    assert batches.epoch == 1
    resumed = make_batches()
    resumed.start_at(1, 4)
    fit(model, resumed, epochs=2, initial_epoch=1)
    fit(model, resumed, epochs=3, initial_epoch=2)
    for expected, found in zip(
        whole.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_rest_of_an_epoch_needs_a_fit_of_its_own():
    batches = make_batches()
    batches.start_at(0, len(batches) - 1)
    with pytest.raises(RuntimeError, match="another the epochs after it"):
        fit(make_model(), batches, epochs=2)


@pytest.mark.full
def test_fit_after_fit_goes_on_with_the_next_epoch():
    batches = make_batches()
    model = make_model()
    for epoch in range(1, 4):
        fit(model, batches)
        assert batches.epoch == epoch
    for counts in visits(model):
        np.testing.assert_array_equal(counts, 3)


class LabelMean(keras.metrics.Mean):
    """Keras' own mean weighs batches by the inverse of their length."""

    def update_state(self, y_true, y_pred, sample_weight):
        flat = [keras.ops.reshape(x, (-1,)) for x in (y_pred, sample_weight)]
        return super().update_state(*flat)


def test_evaluate_weighs_each_label_once():
    model, batches = make_model(), make_batches()
    values = np.arange(VOCABULARY, dtype="float32")[:, None]
    model.set_weights([np.zeros_like(values), values])
    model.compile(
        loss=Linear(),
        weighted_metrics=[LabelMean(name="mean_output")],
        jit_compile=False,
    )
    # Row i has its id 1 + i % 11 times, after the start id, which is 2.
    lengths = 1 + np.arange(ROWS) % 11
    total = (2 + lengths * (10 + np.arange(ROWS))).sum()
    for _ in range(2):
        results = model.evaluate(batches, verbose=0, return_dict=True)
        np.testing.assert_allclose(
            results["mean_output"], total / (lengths + 1).sum(), rtol=1e-6
        )
