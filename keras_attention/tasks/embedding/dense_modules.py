"""The module Dense of Sentence Transformers: a projection of a vector."""

import json

import keras
import numpy as np

from keras_attention.checks import did_you_mean
from keras_attention.json_files import read_json
from keras_attention.zoo.core import safetensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_KERNEL, _BIAS = "linear.weight", "linear.bias"
# Classes of torch.nn, and what Keras calls them.
_ACTIVATIONS = {
    "Tanh": "tanh",
    "Identity": "linear",
    "ReLU": "relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "Mish": "mish",
}
# What would make another function of it, and the value that does not.
_PLAIN = {
    "module_input_name": "sentence_embedding",
    "module_output_name": "sentence_embedding",
    "use_residual": False,
}


def read(folder):
    """Reads a projection.

    Args:
        folder: `pathlib.Path` of the module.

    Returns:
        A built `keras.layers.Dense`.

    Raises:
        ValueError: if a file is missing, a pickle or damaged, or for a module
            that is more than a linear map and a known activation.
    """
    path = folder / CONFIG
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing.{_of_pickle(folder)}")
    config = read_json(path)
    for name, plain in _PLAIN.items():
        if config.get(name) not in (None, plain):
            raise ValueError(
                f"{path} has {name}={config[name]!r}, for which there is no "
                f"layer here; it has to be {plain!r}."
            )
    tensors = safetensors.list_tensors(folder / WEIGHTS)
    names = [_KERNEL, *[_BIAS] * (_BIAS in tensors)]
    if sorted(tensors) != sorted(names):
        raise ValueError(
            f"{folder / WEIGHTS} must hold {_KERNEL} and perhaps {_BIAS}. "
            f"Received: {', '.join(sorted(tensors)) or 'nothing'}"
        )
    arrays = [np.array(tensors[name].load(), "float32").T for name in names]
    inputs, outputs = arrays[0].shape
    layer = keras.layers.Dense(
        outputs,
        activation=_activation(config, path),
        use_bias=len(arrays) == 2,
        dtype="float32",
    )
    layer.build((None, inputs))
    layer.set_weights(arrays)
    return layer


def write(layer, folder):
    """Writes a projection as Sentence Transformers does.

    Args:
        layer: a built `keras.layers.Dense`.
        folder: `pathlib.Path`, made here.
    """
    kernel, *bias = layer.get_weights()
    name = keras.activations.serialize(layer.activation)
    (torch_name,) = (x for x, y in _ACTIVATIONS.items() if y == name)
    home = "linear" if torch_name == "Identity" else "activation"
    config = {
        "in_features": kernel.shape[0],
        "out_features": kernel.shape[1],
        "bias": bool(bias),
        "activation_function": f"torch.nn.modules.{home}.{torch_name}",
    }
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps(config, indent=2), "utf-8")
    arrays = {_KERNEL: np.ascontiguousarray(kernel.T)}
    if bias:
        arrays[_BIAS] = bias[0]
    entries = {
        name: (array.shape, array.dtype, lambda array=array: array)
        for name, array in arrays.items()
    }
    safetensors.write(folder / WEIGHTS, entries, {"format": "pt"})


def check(layers, dim):
    """Refuses what is no chain of projections; builds those yet to be built.

    Args:
        layers: list of `keras.layers.Dense`.
        dim: integer, the width of what the first one takes.

    Returns:
        A list of built layers.
    """
    layers = [] if layers is None else layers
    if not isinstance(layers, (list, tuple)) or not all(
        type(layer) is keras.layers.Dense for layer in layers
    ):
        raise ValueError(
            "projections must be a list of keras.layers.Dense. Received: "
            f"{layers!r}"
        )
    for layer in layers:
        name = keras.activations.serialize(layer.activation)
        if name not in _ACTIVATIONS.values():
            raise ValueError(
                "The activation of projections must be one of "
                f"{', '.join(_ACTIVATIONS.values())}. Received: {name!r}"
            )
        if not layer.built:
            layer.build((None, dim))
        if layer.kernel.shape[0] != dim:
            raise ValueError(
                "projections must take what comes before them. Received: one "
                f"of {layer.kernel.shape[0]} inputs behind {dim} outputs"
            )
        dim = layer.units
    return list(layers)


def _activation(config, path):
    named = str(config.get("activation_function", "Tanh"))
    name = named.rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"activation_function in {path} must be one of torch.nn's "
            f"{', '.join(_ACTIVATIONS)}. Received: {named!r}."
            f"{did_you_mean(name, _ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _of_pickle(folder):
    pickles = [path.name for path in sorted(folder.glob("*.bin"))]
    if not pickles:
        return ""
    return (
        f" {pickles[0]} can run code when it is opened, and is not read; "
        "save_pretrained of sentence-transformers writes safetensors."
    )
