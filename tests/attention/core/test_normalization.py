"""Normalization by name, configuration or template."""

import keras
import numpy as np
import pytest

from keras_attention.attention.core import normalization
from keras_attention.registry import describe
from tests.tools import BACKEND, near, randomize, to_numpy


def test_layer_norm_is_that_of_torch(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    layer = normalization.get("layer_norm")
    layer.build((None, None, 7))
    randomize(layer, rng)
    x = 1e-2 * rng.normal(size=(2, 3, 7)).astype("float32")
    oracle = torch.nn.LayerNorm(7)
    gamma, beta = (torch.tensor(w) for w in layer.get_weights())
    oracle.weight.data, oracle.bias.data = gamma, beta
    near(layer(x), oracle(torch.tensor(x)).detach().numpy())


def test_rms_norm_is_its_formula(rng):
    layer = normalization.get("rms_norm")
    layer.build((None, None, 7))
    randomize(layer, rng)
    x = 1e-2 * rng.normal(size=(2, 3, 7))
    (gamma,) = layer.get_weights()
    mean = np.mean(x**2, axis=-1, keepdims=True)
    near(layer(x.astype("float32")), gamma * x / np.sqrt(mean + 1e-6))


def test_templates_and_configurations_keep_their_settings():
    template = keras.layers.LayerNormalization(epsilon=0.5, center=False)
    for form in (template, describe(template)):
        layer = normalization.get(form)
        assert layer is not template and not layer.built
        assert (layer.epsilon, layer.center) == (0.5, False)
    other = normalization.get(describe(keras.layers.UnitNormalization()))
    assert isinstance(other, keras.layers.UnitNormalization)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="no_norm.*layer_norm.*rms_norm"):
        normalization.get("no_norm")


@pytest.mark.skipif(BACKEND != "torch", reason="torch traces")
# By its words: to name its class, pytest imports torch even to skip.
@pytest.mark.filterwarnings(r"ignore:[\s\S]*the trace")
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_a_traced_graph_is_written_out_and_the_same(rng, name):
    import torch

    layer = normalization.get(name)
    layer.build((None, None, 7))
    randomize(layer, rng)
    x = torch.tensor(rng.normal(size=(2, 3, 7)).astype("float32"))
    graph = torch.jit.trace(layer.eval(), x, check_trace=False)
    # ONNX has no form of either where the width is not a constant.
    assert f"aten::{name}" not in str(graph.inlined_graph)
    near(graph(x), to_numpy(layer(x)), atol=1e-6)
