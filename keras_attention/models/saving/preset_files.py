"""The files of a model's folder."""

import contextlib
import json
import tempfile
from pathlib import Path

import keras

from keras_attention import files
from keras_attention.json_files import read_json
from keras_attention.models.saving.card import CARD, import_line, write_card
from keras_attention.models.saving.tensor_weights import (
    FORMAT,
    WEIGHTS,
    load_tensors,
    write_tensors,
)
from keras_attention.models.saving.weights import load_weights
from keras_attention.zoo.core import safetensors

CONFIG = "config.json"
OLD_WEIGHTS = "model.weights.h5"  # what earlier versions wrote
TOKENIZER = "tokenizer.model"
# What tokenizers are saved as: a file, or those of a published one.
TOKENIZERS = (TOKENIZER, "tokenizer.json", "tokenizer_config.json")


def write(model, folder, tokenizer=None, training=None, scores=None):
    """Writes a model as a folder; see `save_to_preset`.

    Args:
        model: the model.
        folder: `pathlib.Path`.
        tokenizer, training, scores: as of `save_to_preset`.

    Raises:
        OSError, ValueError: as `save_to_preset`.
    """
    _check_is_ours(folder)
    description = keras.saving.serialize_keras_object(model)
    description.pop("build_config", None)
    description.pop("compile_config", None)
    text = json.dumps(description, indent=2)
    saved = {} if tokenizer is None else _saved(tokenizer)
    names = [CARD, *saved, CONFIG, WEIGHTS]
    try:
        with contextlib.ExitStack() as stack:
            # All are written before the first, the weights, is in its place.
            new = {
                name: stack.enter_context(files.replacing(folder / name))
                for name in names
            }
            new[CONFIG].write_text(text, encoding="utf-8")
            write_tensors(model, new[WEIGHTS])
            for name, content in saved.items():
                new[name].write_bytes(content)
            write_card(
                new[CARD],
                folder / CARD,
                model,
                _use(model, folder, tokenizer, saved),
                pipeline_tag=model.pipeline_tag,
                training=training,
                scores=scores,
            )
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written: {error.strerror or error}"
        ) from error
    stale = set(TOKENIZERS).difference(saved) if saved else ()
    for name in (OLD_WEIGHTS, *stale):
        (folder / name).unlink(missing_ok=True)


def _saved(tokenizer):
    """Gives the content of a tokenizer's files by their names."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / TOKENIZER
        tokenizer.save(path)
        paths = [path] if path.is_file() else sorted(path.iterdir())
        return {x.name: x.read_bytes() for x in paths}


def load(model, folder):
    """Loads the weights of a folder, those of earlier versions too.

    Args:
        model: a built model.
        folder: `pathlib.Path`.

    Raises:
        ValueError: if there are none, or they are not of this model.
    """
    # Where there are both, a kill has left the old ones behind.
    if (folder / WEIGHTS).exists() or not (folder / OLD_WEIGHTS).exists():
        load_tensors(model, folder / WEIGHTS)
    else:
        load_weights(model, folder / OLD_WEIGHTS)


def _check_is_ours(folder):
    """Refuses a folder in which files of somebody would be replaced."""
    path = folder / CONFIG
    if path.is_file():
        content = read_json(path, allow_nan=True)
        if not isinstance(content, dict) or "registered_name" not in content:
            is_theirs = isinstance(content, dict) and "model_type" in content
            what = "a model of Hugging Face" if is_theirs else "something else"
            raise ValueError(
                f"{path} is that of {what} and is not replaced. Name another "
                "folder."
            )
        return
    path = folder / WEIGHTS
    if path.is_file() and safetensors.read_metadata(path) != FORMAT:
        raise ValueError(
            f"{path} was not written by this package and is not replaced. "
            "Name another folder."
        )


def _use(model, folder, tokenizer, saved):
    """Gives the code that loads a model and its tokenizer."""
    name = folder.resolve().name
    made = type(model)
    imports = [import_line(made)]
    loads = [f"model = {made.__name__}.from_preset({json.dumps(name)})"]
    if TOKENIZER in saved:
        made, path = type(tokenizer), json.dumps(f"{name}/{TOKENIZER}")
        imports.append(import_line(made))
        loads.append(f"tokenizer = {made.__name__}.load({path})")
    elif saved:
        imports.append("from keras_attention.data import load_tokenizer")
        loads.append(f"tokenizer = load_tokenizer({json.dumps(name)})")
    return "\n".join([*dict.fromkeys(imports), "", *loads])
