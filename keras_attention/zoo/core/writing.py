"""Weights of a model as the files of its family."""

import json

from keras import ops

from keras_attention import files
from keras_attention.zoo.core import safetensors
from keras_attention.zoo.core.checkpoint import WEIGHTS
from keras_attention.zoo.core.tensors import bind

CONFIG = "config.json"


def bind_all(model, base, family, config, kind):
    """Pairs the weights of a model with the tensors of its files.

    Args: as of `reading.fill`.

    Returns:
        List of `tensors.Binding`.
    """
    count = family.counts(config)
    prefix = family.prefix_of(kind)
    bindings = [
        x._replace(name=prefix + x.name)
        for x in bind(base, family.table(config), count)
    ]
    return bindings + bind(model, family.head(kind, config), count)


def write(model, base, family, config, kind, folder, entries, current):
    """Writes `config.json` and `model.safetensors`.

    Args:
        model, base, family, config, kind: as of `reading.fill`.
        folder: `pathlib.Path`; made where it is missing.
        entries: dictionary, the content of `config.json`.
        current: function from a weight to the tensor that is written.
    """
    prefix = family.prefix_of(kind)
    bindings = bind_all(model, base, family, config, kind)
    tensors = {
        binding.name: (
            binding.shape,
            binding.weights[0].dtype,
            lambda binding=binding: binding.join(
                [ops.convert_to_numpy(current(x)) for x in binding.weights]
            ),
        )
        for binding in bindings
    }
    for name, source in family.copies(config).items():
        tensors[prefix + name] = tensors[prefix + source]
    entries = {**entries, "architectures": [family.architecture(kind, config)]}
    # What is written is what the weights are now.
    entries.pop("quantization_config", None)
    old = "torch_dtype" if "torch_dtype" in entries else "dtype"
    entries[old] = bindings[0].weights[0].dtype
    with files.replacing(folder / CONFIG) as path:
        path.write_text(json.dumps(entries, indent=2), encoding="utf-8")
        with files.replacing(folder / WEIGHTS) as weights:
            # Without it `transformers` does not read the file.
            safetensors.write(weights, tensors, {"format": "pt"})
