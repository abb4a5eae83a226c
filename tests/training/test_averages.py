import h5py
import keras
import numpy as np
import pytest

from keras_attention.training import (
    average_weights,
    load_weights,
    save_weights,
)
from tests.disks import limited_files
from tests.training.tiny import tiny_model


def drawn(seed, dtype):
    model, generator = tiny_model(dtype=dtype), np.random.default_rng(seed)
    model.set_weights(
        [generator.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.full
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


def test_the_average_is_a_file_as_keras_writes_it(tmp_path):
    model = drawn(3, None)
    model.save_weights(source := tmp_path / "a.weights.h5")
    average = average_weights([source, source], tmp_path / "b.weights.h5")
    with h5py.File(source) as one, h5py.File(average) as other:
        for name in ("layers/dense/vars", "layers/dense/vars/0"):
            assert dict(one[name].attrs) == dict(other[name].attrs)
        assert one.keys() == other.keys()
    model.load_weights(average)


def test_a_full_disk_leaves_the_previous_average(tmp_path):
    paths = [tmp_path / f"{name}.weights.h5" for name in "ab"]
    for seed, path in enumerate(paths):
        save_weights(drawn(seed, None), path)
    before = paths[0].read_bytes()
    with limited_files(len(before) // 2):
        with pytest.raises(OSError, match=r"a\.weights\.h5 cannot be written"):
            average_weights(paths, paths[0])
    assert paths[0].read_bytes() == before
    assert sorted(tmp_path.iterdir()) == paths


def test_a_file_of_something_else_is_named(tmp_path):
    names = ["a.weights.h5", "none.weights.h5"]
    (tmp_path / names[0]).write_bytes(b"text")
    for path in map(tmp_path.joinpath, names):
        with pytest.raises(ValueError, match=path.name):
            average_weights([path], tmp_path / "c.weights.h5")


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
