"""The position-wise network."""

import keras
import numpy as np
import pytest

from keras_attention import FeedForward
from keras_attention.layers import feed_forward as feed_forwards
from tests.tools import BACKEND, near, near_by_size, randomize, to_numpy


def layer_and_input(rng, **options):
    layer = FeedForward(11, **options)
    layer.build((None, None, 7))
    x = 2 * rng.normal(size=(2, 5, 7)).astype("float32")
    return randomize(layer, rng), x


def numbers(dense):
    return to_numpy(dense.kernel), to_numpy(dense.bias)


def torch_activation(name):
    torch = pytest.importorskip("torch", reason="the oracle")
    return {
        "relu": torch.nn.functional.relu,
        "gelu": torch.nn.functional.gelu,
        "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "swiglu": torch.nn.functional.silu,
        "geglu": torch.nn.functional.gelu,
        "geglu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "silu": torch.nn.functional.silu,
        "tanh": torch.tanh,
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "gelu",
        "gelu_tanh",
        "swiglu",
        "geglu",
        "geglu_tanh",
        "silu",
        "tanh",
    ],
)
def test_activations_are_those_of_torch(rng, name):
    activation = torch_activation(name)
    import torch

    layer, x = layer_and_input(rng, activation=name)
    kernel, bias = numbers(layer.up_dense)
    middle = up = x @ kernel + bias
    if name.endswith("glu") or name == "geglu_tanh":
        kernel, bias = numbers(layer.gate_dense)
        middle = x @ kernel + bias
    middle = activation(torch.tensor(middle)).numpy()
    if hasattr(layer, "gate_dense"):
        middle = middle * up
    kernel, bias = numbers(layer.down_dense)
    near(layer(x), middle @ kernel + bias)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("quick_gelu", "quick_gelu"), ("squared_relu", "relu2")],
)
@pytest.mark.parametrize("gated", [False, True])
def test_activations_are_those_of_hugging_face(rng, name, theirs, gated):
    activations = pytest.importorskip("transformers.activations")
    import torch

    layer, x = layer_and_input(rng, activation=name, gated=gated)
    kernel, bias = numbers(layer.up_dense)
    middle = up = x @ kernel + bias
    if gated:
        kernel, bias = numbers(layer.gate_dense)
        middle = x @ kernel + bias
    middle = activations.ACT2FN[theirs](torch.tensor(middle)).numpy()
    kernel, bias = numbers(layer.down_dense)
    near(layer(x), (middle * up if gated else middle) @ kernel + bias)


def test_clamped_form_is_that_of_gpt_oss(rng):
    gpt_oss = pytest.importorskip(
        "transformers.models.gpt_oss.modeling_gpt_oss"
    )
    import torch

    config = gpt_oss.GptOssConfig(
        hidden_size=7, intermediate_size=11, num_local_experts=1
    )
    oracle = gpt_oss.GptOssExperts(config)
    layer, x = layer_and_input(rng, activation="clamped_swiglu")
    x *= 10  # so that both sides of both clamps are reached
    (gate, gate_bias), (up, up_bias) = map(
        numbers, (layer.gate_dense, layer.up_dense)
    )
    down, down_bias = numbers(layer.down_dense)
    # Theirs holds the two interleaved.
    together = np.stack([gate, up], -1).reshape(7, 22)
    oracle.gate_up_proj.data = torch.tensor(together[None])
    biases = np.stack([gate_bias, up_bias], -1).reshape(22)
    oracle.gate_up_proj_bias.data = torch.tensor(biases[None])
    oracle.down_proj.data = torch.tensor(down[None])
    oracle.down_proj_bias.data = torch.tensor(down_bias[None])
    rows = torch.tensor(x.reshape(-1, 7))
    with torch.no_grad():
        expected = oracle(
            rows,
            router_indices=torch.zeros((len(rows), 1), dtype=torch.int64),
            routing_weights=torch.ones((len(rows), 1)),
        )
    near_by_size(layer(x), expected.numpy().reshape(x.shape))


@pytest.mark.parametrize(
    "activation",
    ["mish", keras.activations.softplus, {"class_name": "function"}],
    ids=["name", "function", "configuration"],
)
def test_any_activation_of_keras(rng, activation):
    if isinstance(activation, dict):
        activation = keras.activations.serialize(keras.activations.celu)
    layer, x = layer_and_input(rng, activation=activation)
    again = FeedForward.from_config(layer.get_config())
    again.build((None, None, 7))
    again.set_weights(layer.get_weights())
    function = keras.activations.get(activation)
    kernel, bias = numbers(layer.up_dense)
    middle = to_numpy(function(keras.ops.convert_to_tensor(x @ kernel + bias)))
    kernel, bias = numbers(layer.down_dense)
    near(layer(x), middle @ kernel + bias)
    near(again(x), layer(x), atol=0, rtol=0)


def test_gated_form_is_that_of_llama(rng):
    pytest.importorskip("transformers", reason="the oracle")
    import torch
    from transformers.models.llama import modeling_llama

    config = modeling_llama.LlamaConfig(
        hidden_size=7,
        intermediate_size=11,
        hidden_act="silu",
        num_attention_heads=7,
    )
    oracle = modeling_llama.LlamaMLP(config)
    layer, x = layer_and_input(rng, activation="swiglu", use_bias=False)
    for ours, theirs in (
        (layer.gate_dense, oracle.gate_proj),
        (layer.up_dense, oracle.up_proj),
        (layer.down_dense, oracle.down_proj),
    ):
        theirs.weight.data = torch.tensor(to_numpy(ours.kernel).T.copy())
    near(layer(x), oracle(torch.tensor(x)).detach().numpy())


def test_dropout_acts_between_the_projections(rng):
    layer, x = layer_and_input(rng, dropout=0.5, activation="relu")
    dropped = to_numpy(layer(x, training=True))
    assert np.abs(dropped - to_numpy(layer(x))).max() > 1e-3
    # What is dropped never reaches the bias of the last projection.
    layer.up_dense.kernel.assign(np.zeros((7, 11)))
    layer.up_dense.bias.assign(np.zeros(11))
    _, bias = numbers(layer.down_dense)
    near(layer(x, training=True), np.broadcast_to(bias, x.shape))


@pytest.mark.parametrize("gated", [False, True])
def test_number_of_weights(rng, gated):
    layer, _ = layer_and_input(rng, activation="geglu" if gated else "relu")
    wide = 7 * 11 + 11
    assert layer.count_params() == wide * (1 + gated) + 11 * 7 + 7
    layer = FeedForward(11, "geglu" if gated else "relu", use_bias=False)
    layer.build((None, 7))
    assert layer.count_params() == 7 * 11 * (2 + gated)


def test_config_makes_the_same_layer(rng):
    layer, x = layer_and_input(rng, activation="geglu", dropout=0.25)
    again = FeedForward.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    near(again(x), layer(x), atol=0)


def test_keras_file_gives_the_same_model(rng, tmp_path):
    layer, x = layer_and_input(rng, activation="swiglu")
    inputs = keras.Input((None, 7))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    near(keras.saving.load_model(tmp_path / "model.keras")(x), layer(x), 1e-6)


def test_names_are_those_of_activations():
    layer = feed_forwards.get("geglu", intermediate_dim=5, dropout=0.5)
    assert (layer.activation, layer.intermediate_dim) == ("geglu", 5)
    template = FeedForward(3, "relu")
    layer = feed_forwards.get(template, intermediate_dim=5, use_bias=False)
    assert (layer.activation, layer.intermediate_dim) == ("relu", 3)
    assert layer is not template and not layer.use_bias


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"intermediate_dim": 0}, "intermediate_dim"),
        ({"intermediate_dim": 3, "activation": "gulu"}, "gulu.*geglu.*swiglu"),
        ({"intermediate_dim": 3, "activation": "sillu"}, "mean 'silu'"),
        ({"intermediate_dim": 3, "activation": None}, "activation: None"),
        (
            {"intermediate_dim": 3, "activation": "swiglu", "gated": False},
            "'swiglu' is a gated form.*gated=False",
        ),
        ({"intermediate_dim": 3, "gated": "no"}, "gated must be True or False"),
        ({"intermediate_dim": 3, "dropout": 1.5}, "1.5"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeedForward(**arguments)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's operations")
@pytest.mark.parametrize("name", ["gelu", "geglu"])
def test_exact_gelu_consists_of_what_onnx_has(name):
    import tensorflow as tf

    layer = FeedForward(11, activation=name)
    layer.build((None, None, 7))
    spec = tf.TensorSpec([None, None, 7])
    graph = tf.function(layer, autograph=False).get_concrete_function(spec)
    kinds = {operation.type for operation in graph.graph.get_operations()}
    assert "Erf" in kinds and "Erfc" not in kinds


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_exact_gelu_is_that_of_torch_far_out_too(dtype):
    torch = pytest.importorskip("torch", reason="the oracle")
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has no float64 here")
    x = torch.linspace(-8, 8, 999, dtype=getattr(torch, dtype))
    expected = torch.nn.functional.gelu(x.double()).numpy()
    given = keras.ops.convert_to_tensor(x.double().numpy(), dtype)
    found = to_numpy(feed_forwards.exact_gelu(given))
    bounds = {"float32": 1e-6, "float64": 1e-12, "bfloat16": 4e-2}
    np.testing.assert_allclose(found, expected, rtol=0, atol=bounds[dtype])
