"""Configurations and files give back the same layer."""

import json

import keras
import numpy as np
import pytest

from keras_attention import attention
from keras_attention.registry import describe
from tests.contract.case import BATCH, DIM, LENGTH, NUM_HEADS
from tests.contract.cases import CASES
from tests.tools import BACKEND, run_python, to_numpy


def test_config_makes_the_same_layer(layer, x):
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))


def test_config_is_the_constructor(case):
    config = case.make().get_config()
    for name, value in case.options.items():
        if name != "position":
            assert config[name] == value


def test_every_form_of_a_layer_makes_the_same_layer(case, layer, x):
    serialized = keras.saving.serialize_keras_object(layer)
    for form in (layer, describe(layer), serialized, describe(case.make())):
        again = attention.get(json_or_same(form), num_heads=NUM_HEADS)
        assert type(again) is type(layer)
        assert not again.built
        again.build(x.shape)
        again.set_weights(layer.get_weights())
        np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))


def json_or_same(form):
    return json.loads(json.dumps(form)) if isinstance(form, dict) else form


def functional_model(case, rng):
    layer = case.layer(rng)
    inputs = keras.Input((None, DIM), name="x")
    return keras.Model(inputs, layer(inputs))


def cross_model(case, rng):
    layer = case.layer(rng)
    inputs = {
        "x": keras.Input((None, DIM), name="x"),
        "source": keras.Input((None, DIM), name="source"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    output = layer(inputs["x"], inputs["source"], padding_mask=inputs["mask"])
    return keras.Model(inputs, output)


def test_keras_file_gives_the_same_model(case, rng, x, tmp_path):
    model = functional_model(case, rng)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))


def test_keras_file_of_cross_attention(case, rng, x, source, tmp_path):
    if not case.make().supports_cross_attention:
        pytest.skip("attends to itself alone")
    model = cross_model(case, rng)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    mask = rng.random(source.shape[:2]) < 0.7
    inputs = {"x": x, "source": source, "mask": mask}
    np.testing.assert_array_equal(
        to_numpy(again(inputs)), to_numpy(model(inputs))
    )


LOAD = """
import pathlib, sys, keras, numpy as np, keras_attention
folder = pathlib.Path(sys.argv[1])
outputs = keras.saving.load_model(folder / "model.keras")(
    np.load(folder / "x.npy")
)
np.savez(folder / "again.npz", **{
    name: keras.ops.convert_to_numpy(output)
    for name, output in outputs.items()
})
"""


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a file is a file")
def test_keras_file_of_all_layers_in_a_fresh_process(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    inputs = keras.Input((None, DIM), name="x")
    cases = {case.name: case for case in CASES.values()}
    layers = {name: case.layer(rng) for name, case in cases.items()}
    model = keras.Model(
        inputs, {name: layer(inputs) for name, layer in layers.items()}
    )
    model.save(tmp_path / "model.keras")
    run_python(LOAD, tmp_path)
    again = np.load(tmp_path / "again.npz")
    for name, layer in layers.items():
        np.testing.assert_allclose(again[name], to_numpy(layer(x)), atol=1e-6)
