import h5py
import keras
import numpy as np
import pytest

from keras_attention.training import (
    LastWeights,
    average_weights,
    load_weights,
    save_weights,
)
from tests.training.tiny import TinyBatches, tiny_layers, tiny_model


def trained(steps=2):
    model = tiny_model()
    for _ in range(steps):
        model.train_on_batch(*TinyBatches()[0])
    return model


def drawn(seed, dtype):
    model, generator = tiny_model(dtype=dtype), np.random.default_rng(seed)
    model.set_weights(
        [generator.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


def assert_same_weights(model, weights):
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


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


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_the_average_is_the_mean_of_the_weights(tmp_path, dtype):
    models = [drawn(seed, dtype) for seed in (1, 2, 4)]
    paths = [tmp_path / f"{i}.weights.h5" for i in range(3)]
    for model, path in zip(models, paths, strict=True):
        save_weights(model, path)
    average = average_weights(paths, tmp_path / "average.weights.h5")

    model = tiny_model(dtype=dtype)
    load_weights(model, average)
    for ours, *theirs in zip(
        model.get_weights(), *(m.get_weights() for m in models), strict=True
    ):
        mean = np.mean([their.astype("float64") for their in theirs], 0)
        np.testing.assert_array_equal(ours, mean.astype(ours.dtype))
        assert not np.array_equal(ours, theirs[0])


def test_files_of_different_models_are_not_averaged(tmp_path):
    small = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    large = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    save_weights(small, tmp_path / "a.weights.h5")
    save_weights(large, tmp_path / "b.weights.h5")
    with pytest.raises(ValueError, match=r"a\.weights.*\(3, 2\).*\(3, 5\)"):
        average_weights(
            [tmp_path / "a.weights.h5", tmp_path / "b.weights.h5"],
            tmp_path / "c.weights.h5",
        )
    assert not list(tmp_path.glob("*c.weights.h5"))
    with pytest.raises(ValueError, match="`paths`"):
        average_weights([], tmp_path / "c.weights.h5")


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


def test_only_the_last_epochs_are_kept(tmp_path):
    kept = LastWeights(tmp_path, keep=2)
    (tmp_path / "epoch-0009.weights.h5").touch()  # behind a resumed epoch
    (tmp_path / "epoch-notes.weights.h5").touch()
    weights = []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    model = tiny_model()
    model.fit(
        TinyBatches(num_batches=2),
        epochs=3,
        verbose=0,
        callbacks=[kept, Remember()],
    )
    assert [path.name for path in kept.paths()] == [
        "epoch-0002.weights.h5",
        "epoch-0003.weights.h5",
    ]
    load_weights(model, kept.paths()[0])
    assert_same_weights(model, weights[1])


@pytest.mark.parametrize("keep", [0, -1, 1.5])
def test_keeping_no_epochs_is_refused(tmp_path, keep):
    with pytest.raises(ValueError, match="`keep`"):
        LastWeights(tmp_path, keep=keep)
