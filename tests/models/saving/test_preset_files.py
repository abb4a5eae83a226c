"""The files of a preset: what is in them, and what befalls them."""

import json
import os
import shutil
import struct
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_attention import Classifier, TransformerEncoder, training
from keras_attention.models.saving.tensor_names import name_weights
from keras_attention.models.saving.tensor_weights import (
    load_tensors,
    write_tensors,
)
from keras_attention.zoo.core.safetensors import list_tensors
from tests.disks import limited_files, small_disk
from tests.models import small
from tests.tools import ROOT, few, near, randomize, run_python, to_numpy

FILES = ["README.md", "config.json", "model.safetensors"]


def encoder(**options):
    return TransformerEncoder(7, 1, 6, 3, **options)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of an encoder, to be copied."""
    folder = tmp_path_factory.mktemp("written")
    randomize(encoder(), np.random.default_rng(7)).save_to_preset(folder)
    return folder


@pytest.fixture
def preset(written, tmp_path):
    return shutil.copytree(written, tmp_path / "preset")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def same(model, weights):
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", few(["float32", "bfloat16"], mark="full"))
def test_the_package_of_the_format_reads_the_same(rng, tmp_path, dtype):
    oracle = pytest.importorskip("safetensors", reason="the oracle")
    model = randomize(encoder(dtype=dtype), rng)
    model.save_to_preset(tmp_path)
    with oracle.safe_open(tmp_path / "model.safetensors", "numpy") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}
    query = model.blocks[0].attention.query_dense
    for name, variable in {
        "blocks.0.attention.query_dense.kernel": query.kernel,
        "blocks.0.attention.query_dense.bias": query.bias,
        "blocks.0.residual.norms.1.gamma": model.blocks[0]
        .residual.norms[1]
        .gamma,
        "embedding.embedding.embeddings": model.embedding.embedding.embeddings,
        "final_norm.beta": model.final_norm.beta,
    }.items():
        assert found[name].dtype.name == dtype
        near(found[name].astype("float32"), variable, 0, 0)
    assert sum(x.size for x in found.values()) == model.count_params()


def test_names_are_the_same_in_every_session(rng, tmp_path):
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(name=f"{self.name}_factor")
            self.more = [self.add_weight(), self.add_weight()]

    def make():
        return keras.Sequential([keras.Input((3,)), Scale(), Scale()])

    one, other = randomize(make(), rng), make()
    assert one.weights[0].path != other.weights[0].path
    write_tensors(one, tmp_path / "a.safetensors")
    load_tensors(other, tmp_path / "a.safetensors")
    same(other, one.get_weights())
    first = [name for name in name_weights(one)[1] if "layers.0" in name]
    assert first == ["layers.0.factor", "layers.0.1", "layers.0.2"]


def test_all_that_keras_keeps_is_in_the_file(rng, tmp_path):
    shared = keras.layers.Dense(3)
    inputs = keras.Input((3,))
    x = keras.layers.BatchNormalization()(shared(inputs))
    x = keras.layers.Dropout(0.5)(shared(x))
    model = keras.Model(inputs, keras.layers.GaussianNoise(0.1)(x))
    randomize(model, rng)
    path = tmp_path / "a.safetensors"
    write_tensors(model, path)
    stored = list_tensors(path)
    assert len(stored) == len(model.weights) == 6
    assert "layers.2.moving_mean" in stored
    before = model.get_weights()
    model.set_weights([0 * values for values in before])
    load_tensors(model, path)
    same(model, before)


def test_a_variable_of_two_layers_is_stored_once(rng, tmp_path):
    class Tied(keras.layers.Layer):
        def __init__(self, other):
            super().__init__()
            self.table = other.kernel
            self.bias = self.add_weight(shape=(2,))

    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    model = keras.Sequential([dense, Tied(dense)])
    model.built = True
    write_tensors(randomize(model, rng), tmp_path / "a.safetensors")
    stored = list_tensors(tmp_path / "a.safetensors")
    assert sorted(x.shape for x in stored.values()) == [(2,), (2,), (3, 2)]
    load_tensors(model, tmp_path / "a.safetensors")


def test_what_lora_learned_comes_back_merged(rng, tmp_path):
    model = encoder()
    for name in ("query_dense", "output_dense"):
        getattr(model.blocks[0].attention, name).enable_lora(2)
    model.embedding.embedding.enable_lora(2)
    randomize(model, rng)
    model.save_to_preset(tmp_path)
    tokens = rng.integers(1, 7, (2, 5))
    again = TransformerEncoder.from_preset(tmp_path)
    near(again(tokens), model(tokens))
    assert set(name_weights(model)[1]) == set(name_weights(again)[1])


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
@pytest.mark.usefixtures("quick_collection")
def test_quantized_numbers_keep_their_kind(rng, tmp_path):
    model = randomize(encoder(), rng)
    model.quantize("int8")
    model.save_to_preset(tmp_path)
    stored = list_tensors(tmp_path / "model.safetensors")
    name = "blocks.0.attention.query_dense.kernel"
    assert stored[name].dtype == "int8"
    assert stored[f"{name}_scale"].dtype == "float32"
    same(TransformerEncoder.from_preset(tmp_path), model.get_weights())


def test_a_folder_of_an_earlier_version_loads_and_is_renewed(preset, rng):
    old = randomize(encoder(), rng)
    training.save_weights(old, preset / "model.weights.h5")
    new = preset / "model.safetensors"
    content = new.read_bytes()
    new.unlink()
    same(TransformerEncoder.from_preset(preset), old.get_weights())
    # A kill has left both.
    new.write_bytes(content)
    latest = TransformerEncoder.from_preset(preset)
    assert not np.array_equal(latest.get_weights()[0], old.get_weights()[0])
    latest.save_to_preset(preset)
    assert names(preset) == FILES
    same(TransformerEncoder.from_preset(preset), latest.get_weights())


def edit_header(path, change):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header = change(header) or header
    text = header if isinstance(header, str) else json.dumps(header)
    text = text.encode()
    data = content[8 + length :]
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def entry(**changes):
    return lambda header: header["final_norm.beta"].update(changes)


def overlap(header):
    places = header["final_norm.gamma"]["data_offsets"]
    header["final_norm.beta"]["data_offsets"] = places


def rename(header):
    header["final_norm.betta"] = header.pop("final_norm.beta")


def add(header):
    end = max(x["data_offsets"][1] for n, x in header.items() if n[0] != "_")
    place = {"dtype": "F32", "shape": [0], "data_offsets": [end, end]}
    header["other"] = place


def few_cases(*cases):
    """Of all that can be done to a header, some by default."""
    return [
        pytest.param(*case, marks=[pytest.mark.full] * (place > 3))
        for place, case in enumerate(cases)
    ]


def twice(header):
    text = json.dumps(header)
    again = json.dumps(header["final_norm.beta"])
    return f'{text[:-1]}, "final_norm.beta": {again}}}'


@pytest.mark.parametrize(
    ("change", "message"),
    few_cases(
        (entry(dtype="I32"), "final_norm.beta is of int32; .* float32"),
        (overlap, "begins at byte"),
        (entry(shape=[float("nan")]), "a size that is none"),
        (entry(dtype="F64"), "as many bytes as its shape"),
        (entry(shape=[2, 3]), r"beta has the shape \(2, 3\); .*\(6,\)"),
        (entry(shape=[6.0]), "a size that is none"),
        (entry(shape=6), "none of a safetensors file"),
        (rename, "lacks final_norm.beta.*mean 'final_norm.betta'"),
        (lambda header: header.pop("final_norm.beta") and None, "byte|end"),
        (add, "no place for other"),
        (twice, "names something twice"),
        (lambda header: "[" * 100_000, "none of a safetensors file"),
        (lambda header: "[]", "none of a safetensors file"),
    ),
)
def test_tampered_headers_are_refused(preset, change, message):
    model = TransformerEncoder.from_preset(preset)
    path = preset / "model.safetensors"
    edit_header(path, change)
    model.set_weights([x + 1 for x in model.get_weights()])
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"model.safetensors .*{message}"):
        load_tensors(model, path)
    same(model, before)


def test_a_header_longer_than_the_file_is_refused(preset):
    path = preset / "model.safetensors"
    content = path.read_bytes()
    for length in (len(content), 2**40, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + content[8:])
        with pytest.raises(ValueError, match="truncated or no safetensors"):
            TransformerEncoder.from_preset(preset)
    path.write_bytes(content + b"more")
    with pytest.raises(ValueError, match="tensors end at byte"):
        TransformerEncoder.from_preset(preset)


@pytest.mark.full
@pytest.mark.parametrize("time", [1, 2])
def test_an_interrupt_while_loading_leaves_a_whole_model(rng, tmp_path, time):
    times = []

    class Interrupted(keras.layers.Dense):
        def load_own_variables(self, store):
            super().load_own_variables(store)
            times.append(1)
            if len(times) == time:
                raise KeyboardInterrupt

    def stack():
        layers = [keras.layers.Dense(5), Interrupted(7), keras.layers.Dense(2)]
        return randomize(keras.Sequential([keras.Input((3,)), *layers]), rng)

    saved, model = stack(), stack()
    path = tmp_path / "a.safetensors"
    write_tensors(saved, path)
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        load_tensors(model, path)
    same(model, before if time == 1 else saved.get_weights())


def test_a_full_disk_leaves_the_previous_model(preset):
    before = {path.name: path.read_bytes() for path in preset.iterdir()}
    large = TransformerEncoder(300, 1, 60, 3)
    with limited_files(30_000):
        with pytest.raises(OSError, match="preset cannot be written"):
            large.save_to_preset(preset, scores={"accuracy": 1})
    after = {path.name: path.read_bytes() for path in preset.iterdir()}
    assert after == before


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_the_previous_model(tmp_path):
    with small_disk(tmp_path / "disk", 200_000) as folder:
        encoder().save_to_preset(folder / "preset")
        with pytest.raises(OSError, match="No space left"):
            TransformerEncoder(3000, 1, 60, 3).save_to_preset(folder / "preset")
        assert names(folder / "preset") == FILES
        TransformerEncoder.from_preset(folder / "preset")


KILLED = """
import os, signal, sys
from keras_attention import TransformerEncoder
from keras_attention.models.saving import preset_files
model = TransformerEncoder.from_preset(sys.argv[1])
model.set_weights([0 * x for x in model.get_weights()])
calls, replace = [], os.replace
def dying(*paths):
    calls.append(paths)
    if len(calls) > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
os.replace = dying
model.save_to_preset(sys.argv[1], scores={"accuracy": 0.5})
"""


@pytest.mark.full
@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_a_kill_leaves_files_that_are_whole(preset, renamed):
    before = TransformerEncoder.from_preset(preset).get_weights()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(preset), str(renamed)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -9
    again = TransformerEncoder.from_preset(preset)
    same(again, [x if renamed == 0 else 0 * x for x in before])
    again.save_to_preset(preset)
    assert names(preset) == FILES


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"model_type": "bert"}', "a model of Hugging Face"),
        ("config.json", b'{"dataset": "demo"}', "something else"),
        ("config.json", b"[]", "something else"),
        ("config.json", b"{", "config.json is damaged"),
        ("model.safetensors", b"", "not written by this package"),
    ],
)
def test_files_of_somebody_are_not_replaced(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        encoder().save_to_preset(tmp_path)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == content


def test_a_first_save_that_was_killed_can_be_repeated(preset):
    (preset / "config.json").unlink()
    encoder().save_to_preset(preset)
    TransformerEncoder.from_preset(preset)


def test_a_model_without_weights_yet_is_refused(tmp_path):
    model = encoder()
    model.built = False
    with pytest.raises(ValueError, match="`model` must be built"):
        model.save_to_preset(tmp_path / "preset")
    assert not names(tmp_path / "preset")


MEMORY = """
import gc, pathlib, re, sys
from keras_attention import TransformerEncoder
from keras_attention.models.saving.tensor_weights import (
    load_tensors,
    write_tensors,
)

def bytes_of(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\\s+(\\d+)", status)[1])

path = pathlib.Path(sys.argv[1]) / "model.safetensors"
peaks = []
for sizes in ((7, 4, 8), (30_000, 4, 512)):  # the first loads what it needs
    model = TransformerEncoder(*sizes, num_heads=8)
    for function in (write_tensors, load_tensors):
        gc.collect()
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before = bytes_of("VmRSS")
        function(model, path)
        peaks.append(bytes_of("VmHWM") - before)
print(*[peak / path.stat().st_size for peak in peaks[2:]])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_take_little_memory_beside_the_model(tmp_path):
    # Of the weights, 55 per cent are the embedding's.
    told = run_python(MEMORY, tmp_path).splitlines()[-1]
    writing, loading = map(float, told.split())
    assert writing < 1.3 and loading < 1.3


FRESH = """
import sys, numpy as np, keras
from keras_attention import Classifier
model = Classifier.from_preset(sys.argv[1])
near = keras.ops.convert_to_numpy(model(np.load(sys.argv[1] + "/ids.npy")))
np.save(sys.argv[1] + "/found.npy", near)
"""


@pytest.mark.full
def test_a_fresh_process_gives_the_same(rng, tmp_path):
    model = randomize(Classifier(small.encoder(rng), 3), rng)
    tokens = small.ids(rng)
    np.save(tmp_path / "ids.npy", tokens)
    model.save_to_preset(tmp_path)
    run_python(FRESH, tmp_path)
    near(np.load(tmp_path / "found.npy"), to_numpy(model(tokens)))
