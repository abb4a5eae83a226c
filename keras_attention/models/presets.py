"""Models as folders: a configuration and the weights."""

import json
import os
from pathlib import Path

import h5py
import keras

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"


class Preset:
    """Mixin that saves a model as a folder and makes one from it."""

    def save_to_preset(self, folder):
        """Writes `config.json` and `model.weights.h5` into a folder.

        Each file is written under a temporary name first, so that a folder
        that held a model never holds half of one.

        Args:
            folder: path; made where it is missing.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / f"writing.{WEIGHTS}"
        config = folder / f"writing.{CONFIG}"
        _save_weights(self, weights)
        description = keras.saving.serialize_keras_object(self)
        description.pop("build_config", None)
        description.pop("compile_config", None)
        config.write_text(json.dumps(description, indent=2), encoding="utf-8")
        os.replace(weights, folder / WEIGHTS)
        os.replace(config, folder / CONFIG)

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
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{path} is not a configuration: {error}"
            ) from None
        try:
            model = keras.saving.deserialize_keras_object(description)
        # Keras raises whatever the first odd entry runs into.
        except Exception as error:
            raise ValueError(
                f"{path} describes no model that can be made: {error}"
            ) from error
        if not isinstance(model, cls):
            raise ValueError(
                f"{path} describes a {type(model).__name__}, not a "
                f"{cls.__name__}."
            )
        _load_weights(model, folder / WEIGHTS)
        return model


def _save_weights(model, path):
    """Saves weights without the optimizer that Keras adds once compiled."""
    whole = path.with_name(f"whole.{path.name}")
    try:
        model.save_weights(whole)
        with h5py.File(whole) as source, h5py.File(path, "w") as target:
            target.attrs.update(source.attrs)
            for name in source:
                if name != "optimizer":
                    source.copy(name, target)
    finally:
        whole.unlink(missing_ok=True)


def _load_weights(model, path):
    if not path.is_file():
        raise ValueError(f"No weights at {path}.")
    try:
        model.load_weights(path)
        with h5py.File(path) as file:
            stored = _count_arrays(file)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is truncated or holds no weights of this model: {error}"
        ) from None
    # Keras passes over what the model has no place for.
    if stored != len(model.weights):
        raise ValueError(
            f"{path} holds {stored} arrays, the model of its folder "
            f"{len(model.weights)}."
        )


def _count_arrays(file):
    found = []
    file.visititems(
        lambda _, item: found.append(isinstance(item, h5py.Dataset))
    )
    return sum(found)
