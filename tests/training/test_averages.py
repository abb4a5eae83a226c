import keras
import numpy as np
import pytest

from keras_attention.training import (
    average_weights,
    load_weights,
    save_weights,
)
from tests.training.tiny import tiny_model


def drawn(seed, dtype):
    model, generator = tiny_model(dtype=dtype), np.random.default_rng(seed)
    model.set_weights(
        [generator.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


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
