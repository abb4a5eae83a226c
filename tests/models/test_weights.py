import h5py
import keras
import numpy as np
import pytest

from keras_attention.training import load_weights, save_weights
from tests.training.tiny import TinyBatches, tiny_layers, tiny_model


def assert_same_weights(model, weights):
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def trained(steps=2):
    model = tiny_model()
    for _ in range(steps):
        model.train_on_batch(*TinyBatches()[0])
    return model


def test_weights_come_back_in_compiled_and_other_models(tmp_path):
    model, path = trained(), tmp_path / "deep/model.weights.h5"
    save_weights(model, path)
    with h5py.File(path) as file:
        assert "optimizer" not in file

    load_weights(other := trained(1), path)
    assert_same_weights(other, model.get_weights())
    assert int(other.optimizer.iterations) == 1
    plain = keras.Sequential([keras.Input((None,)), *tiny_layers()])
    plain.load_weights(path)
    assert_same_weights(plain, model.get_weights())
    assert [p.name for p in path.parent.iterdir()] == ["model.weights.h5"]


def test_the_name_must_end_as_keras_wants_it(tmp_path):
    with pytest.raises(ValueError, match=r"`path`.*\.weights\.h5"):
        save_weights(tiny_model(), tmp_path / "model.h5")


def test_a_failure_while_saving_leaves_the_previous_file(tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(tiny_model(), path)
    before = path.read_bytes()

    class Failing:
        def save_weights(self, path):
            path.write_bytes(b"half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        save_weights(Failing(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.weights.h5"]


def test_files_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "model.weights.h5"
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"No weights at .*model\.weights"):
        load_weights(other, path)
    save_weights(trained(), path)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 .*weights of"):
        load_weights(other, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is truncated"):
        load_weights(trained(), path)


def test_a_refused_file_leaves_the_model_as_it_was(tmp_path):
    path = tmp_path / "model.weights.h5"

    def stack(*widths):
        return keras.Sequential(
            [keras.Input((3,)), *map(keras.layers.Dense, widths)]
        )

    # The first layer fits, the second not; one layer too many.
    for other in (stack(4, 2), stack(4, 5, 6)):
        other.save_weights(path)
        model = stack(4, 5)
        before = model.get_weights()
        with pytest.raises(ValueError, match="weights of this model"):
            load_weights(model, path)
        assert_same_weights(model, before)


def test_an_interrupt_while_loading_leaves_the_model_as_it_was(tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(trained(), path)

    class Interrupted(keras.Sequential):
        def load_weights(self, path):
            super().load_weights(path)
            raise KeyboardInterrupt

    model = Interrupted([keras.Input((None,)), *tiny_layers()])
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        load_weights(model, path)
    assert_same_weights(model, before)
