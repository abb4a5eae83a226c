import time

import keras
import pytest

from keras_attention.training import TokensPerSecond
from tests.training.tiny import TinyBatches, tiny_model


class Slow(keras.callbacks.Callback):
    """Makes each batch take at least this long, and validation longer."""

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.3 if batch == 0 else 0.02)

    def on_test_begin(self, logs=None):
        time.sleep(0.5)


@pytest.mark.full
def test_the_rate_leaves_out_the_first_batch_and_validation(capsys):
    data = TinyBatches()
    tokens = [data[index][2].sum() for index in range(len(data))]
    started = time.perf_counter()
    history = tiny_model().fit(
        data,
        validation_data=TinyBatches(),
        epochs=1,
        callbacks=[Slow(), TokensPerSecond()],
    )
    whole = time.perf_counter() - started
    [rate] = history.history["tokens_per_second"]
    # Four batches of at least 0.02 s, and all but the first 0.3 and the last
    # 0.5 s of the time.
    assert sum(tokens[1:]) / (whole - 0.8) < rate < sum(tokens[1:]) / 0.08
    assert "tokens_per_second" in capsys.readouterr().out


def test_without_a_count_of_tokens_nothing_is_added():
    model = keras.Sequential(tiny_model().layers)
    model.compile("sgd", tiny_model().loss)
    history = model.fit(
        TinyBatches(),
        verbose=0,
        callbacks=[TokensPerSecond()],
    )
    assert history.history.keys() == {"loss"}


def test_a_resumed_epoch_counts_its_own_tokens_only():
    rate = TokensPerSecond()
    rate.set_state({"tokens": 1e9})
    rate.on_epoch_begin(0)
    time.sleep(0.01)
    rate.on_train_batch_end(0, logs := {"tokens": 1e9 + 7})
    assert 0 < logs["tokens_per_second"] <= 7 / 0.01
    assert rate.get_state() == {"tokens": 1e9 + 7}
    rate.on_epoch_end(0, logs := {})
    assert 0 < logs["tokens_per_second"] <= 7 / 0.01
    assert rate.get_state() == {"tokens": 0}
