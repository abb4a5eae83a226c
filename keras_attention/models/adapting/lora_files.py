"""Adapters as folders of the PEFT package."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
from keras import ops

from keras_attention import files
from keras_attention.checks import did_you_mean
from keras_attention.json_files import read_json
from keras_attention.models.adapting.adapter_modules import (
    bindings_of,
    known_as,
    modules_of,
)
from keras_attention.models.adapting.lora import (
    adapted_layers,
    check_adaptable,
    factors_of,
    train_only,
)
from keras_attention.models.adapting.peft_config import check_config, scale_of
from keras_attention.models.masked_lm import MaskedLM
from keras_attention.models.published import writing
from keras_attention.zoo.core import safetensors
from keras_attention.zoo.core.tensors import Fused, Transposed

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_FACTOR = re.compile(r"(.*)\.lora_(?:embedding_)?(A|B)(?:\.weight)?")
# Where logits use the matrix of the embedding, PEFT adapts this as well.
_TIED = "lm_head"
# PEFT saves an embedding that is adapted whole, too.
_BASE = ".base_layer.weight"
_LINEAR = "lora_{}.weight"
_TASKS = {"CausalLM": "CAUSAL_LM", "EncoderDecoder": "SEQ_2_SEQ_LM"}


def save_lora(model, folder):
    """Saves the adapters of a model as a folder that PEFT reads.

    It holds `adapter_config.json` and `adapter_model.safetensors`: the
    adapters, and what is trained as a whole besides (`train` of
    `enable_lora`). The names are those of `transformers` for a model of a
    published family, otherwise the paths of the model here, which
    `load_lora` reads. Projections that are one module there (`c_attn` of
    GPT-2) become one adapter of their ranks together.

    Args:
        model: a model with adapters.
        folder: path; made where it is missing.

    Raises:
        ValueError: if the model has no adapters, or an adapted layer is no
            projection of the published model.
    """
    layers = adapted_layers(model)
    if not layers:
        raise ValueError(
            f"This {type(model).__name__} has no adapters to save; "
            "enable_lora(model, rank) makes some."
        )
    modules = {
        name: module
        for name, module in modules_of(model).items()
        if any(layer.lora_enabled for layer in module.layers)
    }
    named = {id(x) for module in modules.values() for x in module.layers}
    for layer in layers:
        if id(layer) not in named:
            raise ValueError(
                f"The adapters of {layer.path} have no name in PEFT's format, "
                "which has them for projections."
            )
    adapters = {name: x.adapters() for name, x in modules.items()}
    tensors = {}
    for name, (a, b, _) in adapters.items():
        form = "lora_embedding_{}" if modules[name].is_embedding else _LINEAR
        for factor, array in (("A", a), ("B", b)):
            tensors[f"{_PREFIX}{name}.{form.format(factor)}"] = _entry(array)
    whole = _trained_whole(model, layers)
    for binding in whole:
        arrays = [ops.convert_to_numpy(x) for x in binding.weights]
        tensors[_PREFIX + binding.name] = _entry(binding.join(arrays))
    is_tied = any(_is_tied(model, module) for module in modules.values())
    config = _describe(model, adapters, whole, is_tied)
    folder = Path(folder)
    with files.replacing(folder / CONFIG) as path:
        path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        with files.replacing(folder / WEIGHTS) as weights:
            safetensors.write(weights, tensors, {"format": "pt"})


def _entry(array):
    array = np.ascontiguousarray(array)
    return array.shape, array.dtype, lambda: array


def _trained_whole(model, layers):
    """The tensors that are trained beside the adapters."""
    factors = {id(x) for layer in layers for x in factors_of(layer)}
    trained = {id(x) for x in model.trainable_weights} - factors
    return [
        binding
        for binding in bindings_of(model).values()
        if any(id(weight) in trained for weight in binding.weights)
    ]


def _describe(model, adapters, whole, is_tied):
    """The content of `adapter_config.json`."""
    ranks = {name: a.shape[0] for name, (a, _, _) in adapters.items()}
    alphas = {name: alpha for name, (_, _, alpha) in adapters.items()}
    rank, alpha = (
        Counter(x.values()).most_common(1)[0][0] for x in (ranks, alphas)
    )
    found = writing.family_of(model)
    table = {} if found is None else found[0].table(found[1])
    modules = {x.name.rsplit(".", 1)[0] for x in whole}
    return {
        "peft_type": "LORA",
        "task_type": _TASKS.get(type(model).__name__),
        "base_model_name_or_path": (model.published or {}).get("_name_or_path")
        if found
        else None,
        "r": rank,
        "lora_alpha": _plain(alpha),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "fan_in_fan_out": any(
            isinstance(x, Transposed) or (isinstance(x, Fused) and x.transposed)
            for x in table.values()
        ),
        "target_modules": sorted([*adapters, *[_TIED] * is_tied]),
        "rank_pattern": {n: x for n, x in ranks.items() if x != rank},
        "alpha_pattern": {
            n: _plain(x) for n, x in alphas.items() if x != alpha
        },
        "modules_to_save": sorted(modules) or None,
        "ensure_weight_tying": is_tied,
        "inference_mode": True,
    }


def _plain(number):
    return int(number) if float(number).is_integer() else float(number)


def load_lora(model, folder):
    """Reads adapters that PEFT or `save_lora` saved into a model.

    They stay adapters, which can be trained further; `merge_lora` folds them
    in. Weights that the folder holds whole (PEFT's `modules_to_save`) take
    the place of the model's, and are trainable too; all others are frozen.

    Args:
        model: a model without adapters, of the base model's weights.
        folder: path, with `adapter_config.json` and
            `adapter_model.safetensors`. `lora_dropout` in it acts in training
            alone, and is left out.

    Returns:
        The model.

    Raises:
        ValueError: for a file that is missing, adapters of another kind than
            LoRA (DoRA, for example), or ones that do not fit the model, which
            is then as it was.
    """
    folder = Path(folder)
    config = _read_config(folder)
    check_adaptable(model)
    stored = {
        name.removeprefix(_PREFIX): entry
        for name, entry in safetensors.list_tensors(folder / WEIGHTS).items()
    }
    if config.get("ensure_weight_tying"):
        stored = {n: x for n, x in stored.items() if n.split(".")[0] != _TIED}
    found, whole = _sort(model, stored, folder)
    adapters = []
    for name, (module, factors) in found.items():
        a, b = (_load(factors[x]) for x in "AB")
        if _is_tied(model, module) and not config.get("ensure_weight_tying"):
            raise ValueError(
                f"{folder / CONFIG} adapts {name} where vectors are looked up, "
                "and not where logits are made of the same matrix, for which "
                "there is no layer here; ensure_weight_tying has to be true."
            )
        inputs, outputs = module.shape
        if a.shape[1:] != (inputs,) or b.shape != (outputs, a.shape[0]):
            raise ValueError(
                f"{folder / WEIGHTS} has adapters of {name} of the shapes "
                f"{a.shape} and {b.shape}; the model's has {inputs} inputs "
                f"and {outputs} outputs."
            )
        adapters.append((module, a, b, scale_of(config, name, a.shape[0])))
    for binding, entry in whole:
        if tuple(entry.shape) != tuple(binding.shape):
            raise ValueError(
                f"{entry.name} in {entry.path} has the shape {entry.shape}; "
                f"the model's is {binding.shape}."
            )
    for module, a, b, scale in adapters:
        module.adapt(a, b, scale)
    trained = []
    for binding, entry in whole:
        arrays = binding.split(_load(entry))
        for weight, array in zip(binding.weights, arrays, strict=True):
            if weight is not None:
                weight.assign(array)
                trained.append(weight)
    train_only(model, trained)
    return model


def _is_tied(model, module):
    """Whether logits use the matrix of an embedding as well."""
    has_logits = isinstance(model, MaskedLM) or any(
        hasattr(model, name) for name in ("decoder", "logits")
    )
    return has_logits and getattr(module.layers[0], "tie_weights", False)


def _read_config(folder):
    for name in (CONFIG, WEIGHTS):
        if (folder / name).is_file():
            continue
        message = f"No adapters at {folder}: {name} is missing."
        pickles = [path.name for path in sorted(folder.glob("*.bin"))]
        if pickles:
            message += (
                f" {pickles[0]} can run code when it is opened, and is not "
                "read; save_pretrained of PEFT writes safetensors."
            )
        raise ValueError(message)
    config = read_json(folder / CONFIG)
    check_config(config, folder / CONFIG)
    return config


def _load(entry):
    return np.array(entry.load(), "float32")


def _sort(model, stored, folder):
    """Finds what each tensor of a file belongs to.

    Returns:
        `(dictionary from name to (Module, {"A": entry, "B": entry}), list of
        (Binding, entry))`.
    """
    modules, bindings = modules_of(model), bindings_of(model)
    found, whole, unknown = {}, [], []
    for name, entry in stored.items():
        match = _FACTOR.fullmatch(name)
        if match is None:
            name = name.replace(_BASE, ".weight")
            place = known_as(name, bindings, model)
            if place is None:
                unknown.append(name)
            else:
                whole.append((bindings[place], entry))
            continue
        place = known_as(match[1], modules, model)
        if place is None:
            unknown.append(match[1])
            continue
        _, factors = found.setdefault(match[1], (modules[place], {}))
        factors[match[2]] = entry
    if unknown:
        hint = did_you_mean(unknown[0], [*modules, *bindings])
        raise ValueError(
            f"{folder / WEIGHTS} has adapters of {unknown[0]!r}, which this "
            f"{type(model).__name__} does not have as a projection.{hint}"
        )
    halves = [name for name, (_, x) in found.items() if len(x) < 2]
    if halves or not found:
        what = f"one factor of {halves[0]} alone" if halves else "no adapters"
        raise ValueError(f"{folder / WEIGHTS} holds {what}.")
    return found, whole
