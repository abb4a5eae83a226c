"""Models written as the folders that `transformers` reads."""

from pathlib import Path

from keras_attention import zoo
from keras_attention.checks import check_plain_weights
from keras_attention.json_files import read_json
from keras_attention.models.published import generation_config
from keras_attention.models.published.assembling import base_of, kind_of
from keras_attention.models.published.likeness import as_published
from keras_attention.zoo.core import labels
from keras_attention.zoo.core.writing import CONFIG, bind_all
from keras_attention.zoo.core.writing import write as write_files


def write(model, folder, **entries):
    """Writes a model as a folder that `transformers` reads.

    Adapters of LoRA are folded into the weights that are written.

    Args:
        model: one that `published.read` or `published.make` made, trained
            since or not, or one like those of a family.
        folder: path; made where it is missing.
        **entries: of `config.json`, in place of those that describe a model
            of no family.

    Raises:
        ValueError: if the model is of no published family and like none, its
            weights are quantized, or the folder holds one of
            `save_to_preset`.
    """
    folder = Path(folder)
    _check_is_not_ours(folder)
    known = getattr(model, "published", None)
    if known is None:
        check_plain_weights(model, "which is of no published family")
        model, known = as_published(model)
        known = {**known, **entries}
    current = _merged(model)
    if hasattr(model, "labels"):  # which may have changed
        known = labels.renamed(known, model.num_classes, model.labels)
    family, config = _family_of(known)
    kind = kind_of(type(model), family)
    base = base_of(model, kind, family)
    write_files(model, base, family, config, kind, folder, known, current)
    generation_config.write(folder, getattr(model, "generation", None))


def _check_is_not_ours(folder):
    """Refuses a folder whose model would be lost."""
    path = folder / CONFIG
    if not path.is_file():
        return
    content = read_json(path, allow_nan=True)
    if isinstance(content, dict) and "registered_name" in content:
        raise ValueError(
            f"{path} is that of a model of save_to_preset and is not "
            "replaced. Name another folder."
        )


def bindings(model):
    """Pairs the weights of a published model with tensors by their names.

    Args:
        model: one that `published.read` or `published.make` made.

    Returns:
        List of `zoo.core.tensors.Binding`.
    """
    family, config = family_of(model)
    kind = kind_of(type(model), family)
    return bind_all(model, base_of(model, kind, family), family, config, kind)


def family_of(model):
    """Finds the family of a model, and its configuration.

    Args:
        model: any.

    Returns:
        `(family, configuration)`, or None for a model of no family.
    """
    entries = getattr(model, "published", None)
    return None if entries is None else _family_of(entries)


def _family_of(entries):
    family = zoo.find_family(entries["model_type"])
    return family, family.configuration("config.json", entries)


def _merged(model):
    """Gives the function from a weight to what is written of it.

    Raises:
        ValueError: if a weight is quantized.
    """
    merged = {}
    for layer in model._flatten_layers():
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"{layer.name} has quantization_mode="
                f"{layer.quantization_mode}, which config.json cannot say. "
                "Write the model before that."
            )
        if getattr(layer, "lora_enabled", False):
            name = "kernel" if hasattr(layer, "kernel") else "embeddings"
            merged[id(getattr(layer, f"_{name}"))] = layer, name

    def current(weight):
        if id(weight) in merged:
            return getattr(*merged[id(weight)])
        return weight

    return current
