"""Training takes four times what the weights take."""

import keras
import pytest

from keras_attention import memory, training


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((7,)),
            keras.layers.Dense(11, name="frozen"),
            keras.layers.Dense(5),
        ]
    )


@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_and_moments_count_for_what_is_trained(
    model, monkeypatch, frozen
):
    model.get_layer("frozen").trainable = not frozen
    first, second = 7 * 11 + 11, 11 * 5 + 5
    needed = 4 * ((1 if frozen else 4) * first + 4 * second)
    monkeypatch.setattr(memory, "machine_memory", lambda: needed)
    training.check_adam_memory(model)
    monkeypatch.setattr(memory, "machine_memory", lambda: needed - 1)
    with pytest.raises(ValueError, match="gradients and Adam's two moments"):
        training.check_adam_memory(model)
