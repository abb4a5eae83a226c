import os
import subprocess
import sys
import tracemalloc

import h5py
import keras
import numpy as np
import pytest

from keras_attention.models.saving import large_weights
from keras_attention.training import load_weights, save_weights
from tests.disks import limited_files, small_disk
from tests.tools import ROOT, near, run_python
from tests.training.tiny import TinyBatches, tiny_layers, tiny_model


def assert_same_weights(model, weights):
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def trained(steps=2):
    model = tiny_model()
    for _ in range(steps):
        model.train_on_batch(*TinyBatches()[0])
    return model


@pytest.mark.full
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


def contents(path):
    found = {}

    def visit(name, item):
        found[name] = dict(item.attrs)
        if isinstance(item, h5py.Dataset):
            found[name]["value"] = item[...].tolist()

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_a_file_is_what_keras_writes(tmp_path, dtype):
    model = tiny_model(dtype=dtype)
    save_weights(model, tmp_path / "ours.weights.h5")
    model.save_weights(tmp_path / "theirs.weights.h5")
    ours = contents(tmp_path / "ours.weights.h5")
    theirs = contents(tmp_path / "theirs.weights.h5")
    assert any("value" in entry for entry in ours.values())
    assert ours == {
        name: entry
        for name, entry in theirs.items()
        if not name.startswith("optimizer")
    }


@pytest.mark.full
def test_a_state_of_the_optimizer_is_left_in_the_file(tmp_path):
    path, model = tmp_path / "model.weights.h5", trained(2)
    model.save_weights(path)
    load_weights(other := trained(3), path)
    assert_same_weights(other, model.get_weights())
    assert int(other.optimizer.iterations) == 3


def test_the_weights_of_lora_come_back_merged(tmp_path, rng):
    path = tmp_path / "model.weights.h5"

    def adapted():
        model = tiny_model()
        model.layers[2].enable_lora(2)
        return model

    model, x = adapted(), rng.integers(1, 7, (2, 3))
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    save_weights(model, path)
    load_weights(other := adapted(), path)
    near(other(x), model(x))


@pytest.mark.full
def test_loading_holds_one_array_at_a_time(tmp_path):
    path = tmp_path / "model.weights.h5"
    layers = [keras.layers.Dense(400) for _ in range(20)]
    model = keras.Sequential([keras.Input((400,)), *layers])
    save_weights(model, path)
    load_weights(model, path)  # imports what it needs
    tracemalloc.start()
    try:
        load_weights(model, path)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # JAX takes arrays as they are: what is left are its weights.
    assert peak - left < path.stat().st_size / 3


# Of the weights, 55 per cent are the embedding's.
MEMORY_OF_LOADING = """
import gc, pathlib, re, sys
from keras_attention import TransformerEncoder
from keras_attention.training import load_weights, save_weights

def bytes_of(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\\s+(\\d+)", status)[1])

def encoder(vocabulary_size, hidden_dim):
    return TransformerEncoder(
        vocabulary_size, num_layers=4, hidden_dim=hidden_dim, num_heads=8
    )

path = pathlib.Path(sys.argv[1]) / "model.weights.h5"
for sizes in ((7, 8), (30_000, 512)):  # the first loads what it needs
    model = encoder(*sizes)
    save_weights(model, path)
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = bytes_of("VmRSS")
    load_weights(model, path)
print((bytes_of("VmHWM") - before) / path.stat().st_size)
"""


@pytest.mark.slow
def test_loading_takes_little_memory_beside_the_model(tmp_path):
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not tell a part's peak of memory")
    assert float(run_python(MEMORY_OF_LOADING, tmp_path)) < 1.3


def test_an_unbuilt_model_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="`model` must be built"):
        save_weights(model, tmp_path / "model.weights.h5")
    assert not list(tmp_path.iterdir())
    save_weights(tiny_model(), tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="`model` must be built"):
        load_weights(model, tmp_path / "model.weights.h5")


def test_a_full_disk_leaves_the_previous_file(tmp_path):
    path = tmp_path / "model.weights.h5"
    large = keras.Sequential([keras.Input((100,)), keras.layers.Dense(100)])
    save_weights(tiny_model(), path)
    before = path.read_bytes()
    with limited_files(30_000):
        with pytest.raises(OSError, match=r"model\.weights\.h5 cannot be"):
            save_weights(large, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.weights.h5"]


ON_A_FULL_DISK = """
import dataclasses, sys
import keras
from keras_attention.runs.commands import run_commands
from keras_attention.training import save_weights

@dataclasses.dataclass
class Save:
    path: str = ""

@dataclasses.dataclass
class Other:
    pass

def dense(size, units):
    return keras.Sequential([keras.Input((size,)), keras.layers.Dense(units)])

def save(options):
    save_weights(dense(3, 5), options.path)
    save_weights(dense(300, 1000), options.path)

run_commands({"save": (Save, save), "other": (Other, None)}, "")
"""


@pytest.mark.slow
def test_a_recipe_on_a_full_disk_ends_with_one_line(tmp_path):
    with small_disk(tmp_path / "disk", 300_000) as folder:
        path = folder / "model.weights.h5"
        # HDF5 fails when the process ends, if it does.
        done = subprocess.run(
            [sys.executable, "-c", ON_A_FULL_DISK, "save", "--path", path],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert list(folder.iterdir()) == [path]
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
        load_weights(model, path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"error: {path} cannot be written: No space left on device"
    )
    assert "Traceback" not in done.stderr


def test_the_name_must_end_as_keras_wants_it(tmp_path):
    with pytest.raises(ValueError, match=r"`path`.*\.weights\.h5"):
        save_weights(tiny_model(), tmp_path / "model.h5")


def test_a_failure_while_saving_leaves_the_previous_file(tmp_path):
    path = tmp_path / "model.weights.h5"
    save_weights(tiny_model(), path)
    before = path.read_bytes()

    class Failing(keras.layers.Dense):
        def save_own_variables(self, store):
            super().save_own_variables(store)
            raise OSError("no space left")

    failing = keras.Sequential([keras.Input((3,)), Failing(2)])
    with pytest.raises(OSError, match=r"model\.weights\.h5 .*no space"):
        save_weights(failing, path)
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


@pytest.mark.full
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


@pytest.mark.parametrize("time", [1, 2])
def test_an_interrupt_between_layers_leaves_a_whole_model(tmp_path, time):
    path, times = tmp_path / "model.weights.h5", []

    class Interrupted(keras.layers.Dense):
        def load_own_variables(self, store):
            super().load_own_variables(store)
            times.append(1)
            if len(times) == time:
                raise KeyboardInterrupt

    def stack():
        layers = [keras.layers.Dense(5), Interrupted(7), keras.layers.Dense(2)]
        return keras.Sequential([keras.Input((3,)), *layers])

    saved, model = stack(), stack()
    saved.save_weights(path)
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        load_weights(model, path)
    assert_same_weights(model, before if time == 1 else saved.get_weights())


def test_the_optimizer_of_a_model_within_is_left_out(tmp_path):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    inner.compile("adam", "mse")
    inner.fit(np.ones((2, 3)), np.ones((2, 5)), verbose=0)
    model = keras.Sequential([keras.Input((3,)), inner])
    path = tmp_path / "a.weights.h5"
    save_weights(model, path)
    before = model.get_weights()
    model.set_weights([0 * values for values in before])
    load_weights(model, path)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.full
def test_large_weights_are_set_some_rows_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(large_weights, "_LARGE", 100)
    monkeypatch.setattr(large_weights, "_AT_ONCE", 3 * 5 * 4 + 1)
    path, model = tmp_path / "a.weights.h5", trained()
    save_weights(model, path)
    weights = model.get_weights()
    other = tiny_model()
    load_weights(other, path)
    assert_same_weights(other, weights)
    assert not any("assign" in vars(variable) for variable in other.weights)

    wider = keras.Sequential([keras.Input((None,)), *tiny_layers()[:3]])
    before = wider.get_weights()
    with pytest.raises(ValueError, match="truncated or holds no weights"):
        load_weights(wider, path)
    assert_same_weights(wider, before)


# Of the weights, 93 per cent are the embedding's.
MEMORY_OF_ONE_ARRAY = """
import gc, pathlib, re, sys
from keras_attention import TransformerEncoder
from keras_attention.training import load_weights, save_weights

def bytes_of(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\\s+(\\d+)", status)[1])

path = pathlib.Path(sys.argv[1]) / "model.weights.h5"
for vocabulary_size in (7, 80_000):  # the first loads what it needs
    model = TransformerEncoder(vocabulary_size, 1, 512, 8)
    save_weights(model, path)
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = bytes_of("VmRSS")
    load_weights(model, path)
print((bytes_of("VmHWM") - before) / path.stat().st_size)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_large_weight_takes_little_memory_either(tmp_path):
    told = run_python(MEMORY_OF_ONE_ARRAY, tmp_path)
    assert float(told.splitlines()[-1]) < 1.3
