"""Models as folders: a configuration and the weights."""

import json
import re
import textwrap
from pathlib import Path

import keras

from keras_attention import files
from keras_attention.json_files import read_json
from keras_attention.layers.residual import Residual
from keras_attention.models.exporting import AnyLengthExport
from keras_attention.models.weights import load_weights, save_weights
from keras_attention.registry import ChecksBooleans

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
LONGEST_REASON = 400  # characters kept of what Keras says


class Preset(AnyLengthExport, ChecksBooleans):
    """Mixin that saves a model as a folder and makes one from it."""

    def get_config(self):
        """Gives the constructor's arguments, and which layers are quantized.

        Keras keeps the quantization of a layer in its own configuration, and
        not in that of the model which makes the layer.
        """
        config, quantized = super().get_config(), _quantized(self)
        return {**config, "quantization": quantized} if quantized else config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes a model as `get_config` described it."""
        config = dict(config)
        quantized = config.pop("quantization", ())
        model = super().from_config(config, custom_objects)
        layers = _layers(model)
        for entry in quantized:
            # A model within this one has come back as it was.
            chosen = [
                layer
                for layer in map(layers.__getitem__, entry["layers"])
                if _quantization(layer) is None
            ]
            if chosen:
                given = keras.saving.deserialize_keras_object(entry["config"])
                ids = set(map(id, chosen))
                model.quantize(
                    config=given, filters=lambda x, ids=ids: id(x) in ids
                )
        return model

    def save_to_preset(self, folder):
        """Writes `config.json` and `model.weights.h5` into a folder.

        Each file is whole at any moment. (A kill between the two leaves the
        new weights beside the configuration that was there before.)

        Args:
            folder: path; made where it is missing.
        """
        folder = Path(folder)
        description = keras.saving.serialize_keras_object(self)
        description.pop("build_config", None)
        description.pop("compile_config", None)
        text = json.dumps(description, indent=2)
        with files.replacing(folder / CONFIG) as config:
            config.write_text(text, encoding="utf-8")
            save_weights(self, folder / WEIGHTS)

    @classmethod
    def from_preset(cls, folder):
        """Makes a model from a folder that `save_to_preset` wrote.

        Args:
            folder: path.

        Returns:
            A model of this class.

        Raises:
            ValueError: if a file is missing, unreadable, or of another class.
        """
        folder = Path(folder)
        path = folder / CONFIG
        if not path.is_file():
            raise ValueError(f"No preset at {folder}: {CONFIG} is missing.")
        description = read_json(path, allow_nan=True)  # of an initializer
        try:
            model = keras.saving.deserialize_keras_object(description)
        # Keras raises whatever the first odd entry runs into.
        except Exception as error:
            raise ValueError(
                f"{path} describes no model that can be made: {_reason(error)}"
            ) from error
        if not isinstance(model, cls):
            raise ValueError(
                f"{path} describes a {type(model).__name__}, not a "
                f"{cls.__name__}."
            )
        load_weights(model, folder / WEIGHTS)
        return model


def _reason(error):
    """What was wrong, in one line, without the configurations Keras adds."""
    text = re.split(r"(?:Exception|Error) encountered[^:]*: ", str(error))[-1]
    text = re.split(r"Full (?:object )?config:|\n\nconfig=", text)[0]
    if not text.strip():
        text = type(error).__name__
    return textwrap.shorten(text, LONGEST_REASON, placeholder=" ...")


def _quantized(model):
    """Lists each kind of quantization with the places of its layers."""
    found = []
    for place, layer in enumerate(_layers(model)):
        given = _quantization(layer)
        if given is None:
            continue
        config = keras.saving.serialize_keras_object(given)
        for entry in found:
            if entry["config"] == config:
                entry["layers"].append(place)
                break
        else:
            found.append({"config": config, "layers": [place]})
    return found


def _layers(model):
    """Lists the layers whose places a configuration counts.

    Residual paths, which have nothing to quantize, were none when the first
    such files were written.
    """
    layers = model._flatten_layers()
    return [layer for layer in layers if not isinstance(layer, Residual)]


def _quantization(layer):
    return getattr(layer, "quantization_config", None)
