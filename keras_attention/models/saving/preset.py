"""Models as folders: a configuration and the weights."""

import os
import re
import textwrap
from pathlib import Path

import keras

from keras_attention.json_files import read_json
from keras_attention.layers.residual import Residual
from keras_attention.models.published import reading, writing
from keras_attention.models.saving import preset_files
from keras_attention.models.saving.exporting import AnyLengthExport
from keras_attention.models.saving.preset_files import CONFIG
from keras_attention.registry import ChecksBooleans
from keras_attention.zoo.core import hub

LONGEST_REASON = 400  # characters kept of what Keras says


class Preset(AnyLengthExport, ChecksBooleans):
    """Mixin that saves a model as a folder and makes one from it."""

    pipeline_tag = None
    """What Hugging Face calls the use of such models, if it is one."""

    published = None
    """The `config.json` of a published model, with which it is written."""

    generation = None
    """Its `generation_config.json`, for `Generator.from_model`."""

    def get_config(self):
        """Gives the constructor's arguments, and which layers are quantized.

        Keras keeps the quantization of a layer in its own configuration, and
        not in that of the model which makes the layer.
        """
        further = {
            "quantization": _quantized(self) or None,
            "published": self.published,
            "generation": self.generation,  # {} for a folder that says nothing
        }
        given = {n: x for n, x in further.items() if x is not None}
        return {**super().get_config(), **given}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes a model as `get_config` described it."""
        config = dict(config)
        quantized = config.pop("quantization", ())
        kept = {n: config.pop(n, None) for n in ("published", "generation")}
        model = super().from_config(config, custom_objects)
        for name, value in kept.items():
            setattr(model, name, value)
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

    def save_to_preset(
        self, folder, *, tokenizer=None, training=None, scores=None
    ):
        """Writes the model into a folder, with a model card.

        The folder gets `config.json`, `model.safetensors` and `README.md`,
        and the tokenizer's file. Each file is whole at any moment. (A kill
        between two leaves the new weights beside the configuration that was
        there before.) The weights are one file of whatever size, since
        several could not be replaced at once. A `README.md` that somebody
        wrote or edited is kept.

        Args:
            folder: path; made where it is missing.
            tokenizer: what has a `save(path)`: a `SentencePieceTokenizer`,
                which goes into `tokenizer.model`, or a published one, whose
                files go beside the model. `load_tokenizer(folder)` reads both.
            training: how the model was trained, for the card: a text, or a
                dictionary of settings.
            scores: dictionary from names of metrics to numbers, for the card.

        Raises:
            OSError: if a file cannot be written.
            ValueError: if the folder holds something else, such as a model
                of Hugging Face, which it keeps.

        Example:

        ```python
        from keras_attention import TransformerEncoder

        encoder = TransformerEncoder(100, 2, 8, 2)
        encoder.save_to_preset("small", training="Not yet.")
        encoder = TransformerEncoder.from_preset("small")
        ```
        """
        preset_files.write(self, Path(folder), tokenizer, training, scores)

    def to_huggingface(self, folder):
        """Writes a model as a folder that `transformers` reads.

        A model of a published family becomes one of that family. So does an
        `EncoderDecoder` with the parts of one: sinusoids, full attention and
        layer normalization, as Pegasus with `residual="pre_norm"` and as
        Marian with `"post_norm"`. It then knows no start and end tokens;
        `TextToText.to_huggingface` writes those of its tokenizers.

        Adapters of LoRA are folded into the weights that are written.

        Args:
            folder: path; made where it is missing. It gets `config.json` and
                `model.safetensors`.

        Raises:
            ValueError: if no family has the parts of the model (the message
                names what differs from the nearest), or it is quantized; a
                model of no family also if it is adapted by LoRA; if the
                folder holds a model of `save_to_preset`, which it keeps.
        """
        writing.write(self, folder)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **arguments):
        """Makes a model from a folder, the Hugging Face hub or a size's name.

        Args:
            preset: path of a folder that `save_to_preset` wrote, or of one of
                Hugging Face (`config.json` with `model.safetensors` or
                `tf_model.h5`, in shards or not); `"hf://owner/name"` or
                `"hf://owner/name@revision"`; or the name of a published size,
                `"bert_base"`, which brings no weights.
            load_weights: whether the weights are read; otherwise they are
                fresh.
            **arguments: constructor arguments in place of those of a
                published model, such as `dtype` or `dropout`; for one of
                images also `image_size`, to which its positions are
                interpolated; for Longformer and LED `max_global_tokens`, the
                most that a `global_mask` marks in a row.

        Returns:
            A model of this class.

        Raises:
            ValueError: if a file is missing, unreadable, or of another class,
                or the name is that of no size.

        Example:

        ```python
        from keras_attention import TransformerEncoder

        encoder = TransformerEncoder.from_preset(
            "bert_base", load_weights=False, num_layers=1
        )
        ```
        """
        if not isinstance(preset, (str, os.PathLike)):
            raise ValueError(
                "preset must be a path, a handle or a name. Received: "
                f"{preset!r}"
            )
        if isinstance(preset, str) and preset.startswith(hub.SCHEME):
            preset = hub.fetch(preset)
        if reading.is_published(preset):
            read = reading.read if load_weights else reading.imitate
            return read(cls, preset, **arguments)
        is_name = (
            isinstance(preset, str) and preset and not set(preset) & {*"/\\"}
        )
        if is_name and not Path(preset).exists():
            reading.find_size(preset)
            if load_weights:
                raise ValueError(
                    f"The name {preset!r} brings no weights: pass "
                    "load_weights=False for fresh ones, or a folder of Hugging "
                    'Face or "hf://owner/name" for those of somebody.'
                )
            return reading.make(cls, preset, **arguments)
        if not (Path(preset) / CONFIG).is_file():
            raise ValueError(
                f"No preset at {preset}: {CONFIG} is missing.{hub.hint(preset)}"
            )
        if arguments or not load_weights:
            raise ValueError(
                f"{preset} is a folder of save_to_preset, which is read as it "
                f"is. Received: load_weights={load_weights}, "
                f"{', '.join(arguments) or 'no arguments'}"
            )
        return cls._from_folder(Path(preset))

    @classmethod
    def _from_folder(cls, folder):
        path = folder / CONFIG
        description = read_json(path, allow_nan=True)  # of an initializer
        if not isinstance(description, dict) or "config" not in description:
            raise ValueError(
                f"{path} is none of save_to_preset, and has no model_type, as "
                "those of Hugging Face have."
            )
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
        preset_files.load(model, folder)
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
