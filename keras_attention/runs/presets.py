"""Tasks that training starts from: those of presets, adapted."""

import sys
from pathlib import Path

import keras
import numpy as np

from keras_attention import (
    Classifier,
    TransformerEncoder,
    convert_attention,
    enable_lora,
    freeze,
    tasks,
)
from keras_attention.checks import did_you_mean
from keras_attention.data import load_tokenizer
from keras_attention.json_files import read_json
from keras_attention.models.adapting.parts import HEAD
from keras_attention.models.published.reading import CONFIG, is_published
from keras_attention.models.saving.preset import Preset
from keras_attention.runs.checks import UsageError
from keras_attention.runs.folder import CHECKPOINT, TASK
from keras_attention.runs.heads import with_head
from keras_attention.tasks.core.folder import TASK as DESCRIPTION
from keras_attention.tasks.core.text_inputs import stated_limits
from keras_attention.zoo.core import hub
from keras_attention.zoo.core import labels as classes

# In the run folder: what it started from, so that it goes on without the
# preset, and from the same head.
START = "start"
_SEED = "seed_generator_state"  # what Keras calls that of a random layer


def find_preset(preset):
    """Finds the folder that a user names.

    Args:
        preset: string, a folder or a handle of the Hugging Face hub.

    Returns:
        `pathlib.Path` of a folder; of a finished run, that of its task.

    Raises:
        UsageError: if there is none.
    """
    if preset.startswith(hub.SCHEME):
        return hub.fetch(preset)
    folder = Path(preset).expanduser()
    if not folder.is_dir():
        beside = folder.parent.glob("*/") if folder.parent.is_dir() else ()
        near = did_you_mean(folder.name, [path.name for path in beside])
        raise UsageError(
            f"--preset must be a folder or {hub.SCHEME}OWNER/NAME. There is no "
            f"folder {preset}.{near}"
        )
    if (folder / TASK / DESCRIPTION).is_file():
        return folder / TASK
    if (folder / CHECKPOINT).exists():
        raise UsageError(
            f"--preset {preset} is the folder of a run that is not finished."
        )
    return folder


def start_classifier(config, labels):
    """Makes the classifier that a run starts from.

    Args:
        config: the options of training (`TuningOptions`), with `pooling` and
            `max_length`.
        labels: list of strings, the classes.

    Returns:
        A `TextClassifier`, whose model is adapted as the options say.

    Raises:
        ValueError: if the preset is of another kind, damaged, or cannot be
            adapted so.
    """
    keras.utils.set_random_seed(config.seed)
    start = Path(config.run) / START
    if start.is_dir():
        task = tasks.TextClassifier.load(start)
        if task.labels != labels:
            raise UsageError(
                f"{config.run} holds a run with other classes: "
                f"{', '.join(task.labels)}. Name another folder with --run."
            )
        adapt(config, task.model)
        return task
    model, tokenizer = _read_encoder(config, labels)
    model = _converted(config, with_head(model, labels, config.pooling))
    adapt(config, model)
    length = capped(config, "max_length", model.encoder, tokenizer)
    return tasks.TextClassifier(model, tokenizer, labels, max_length=length)


def _read_encoder(config, labels):
    """Reads a model that has an encoder, and its tokenizer."""
    folder = find_preset(config.preset)
    if (folder / DESCRIPTION).is_file():
        task = tasks.load(folder)
        if len(task.tokenizers()) != 1:
            raise UsageError(
                f"--preset {config.preset} holds a {type(task).__name__}, from "
                "which no classifier of texts can start."
            )
        return task.model, task.tokenizers()[0]
    tokenizer = load_tokenizer(folder)
    if not is_published(folder):
        return Preset.from_preset(folder), tokenizer
    if config.pooling != "auto":
        return TransformerEncoder.from_preset(folder), tokenizer
    known = classes.number(read_json(folder / CONFIG, allow_nan=True))
    given = {} if known == len(labels) else {"labels": labels}
    return Classifier.from_preset(folder, **given), tokenizer


def start_text_to_text(config):
    """Makes the task that a run from text to text starts from.

    Args:
        config: the options of training (`TuningOptions`).

    Returns:
        A `TextToText`, whose model is adapted and whose lengths are capped as
        the options say; None without `--preset`.

    Raises:
        ValueError: as `start_classifier`.
    """
    if not config.preset:
        return None
    keras.utils.set_random_seed(config.seed)
    start = Path(config.run) / START
    if start.is_dir():
        task = tasks.TextToText.load(start)
    else:
        languages = {
            name: getattr(config, name)
            for name in ("source_language", "target_language")
            if getattr(config, name, "")
        }
        folder = find_preset(config.preset)
        task = tasks.TextToText.from_preset(folder, **languages)
        task.model = _converted(config, task.model)
    adapt(config, task.model)
    name = "max_source_length"
    name = name if hasattr(config, name) else "max_length"
    model, (source, target) = task.model, task.tokenizers()
    task.settings.update(
        max_source_length=capped(config, name, model.encoder, source),
        max_length=capped(config, "max_length", model.decoder, target, less=1),
    )
    return task


def _converted(config, model):
    """The model with the attention that is asked for."""
    for layer in model._flatten_layers():
        if getattr(layer, "quantization_mode", None):
            raise UsageError(
                f"--preset {config.preset} is quantized to "
                f"{layer.quantization_mode}, and cannot be trained."
            )
    if not config.attention:
        return model
    keras.utils.set_random_seed(config.seed)
    try:
        return convert_attention(model, config.attention)
    except ValueError as error:
        raise UsageError(f"--attention {config.attention}: {error}") from error


def adapt(config, model):
    """Freezes parts of a model, or gives it low-rank adapters.

    Args:
        config: the options of training (`TuningOptions`).
        model: a model.

    Raises:
        UsageError: if a part or a projection is unknown, a rank larger than a
            projection, or nothing is left to train.
    """
    # A run that begins again, from the model that was saved, is the same.
    keras.utils.set_random_seed(config.seed)
    _seed_dropout(model, config.seed)
    option, given = "lora", config.lora
    try:
        if config.lora:
            enable_lora(
                model,
                config.lora,
                list(config.lora_targets),
                alpha=config.lora_alpha or None,
                train=HEAD if isinstance(model, Classifier) else (),
            )
        option, given = "freeze", " ".join(config.freeze)
        freeze(model, list(config.freeze))
    except ValueError as error:
        raise UsageError(f"--{option} {given}: {error}") from error
    if not model.trainable_weights:
        raise UsageError(f"--freeze {given} leaves nothing to train.")


def _seed_dropout(model, seed):
    """Gives all random layers of a model seeds that follow from one."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name == _SEED:
            variable.assign([generator.integers(2**31), 0])


def save_start(task, folder):
    """Writes what a run starts from, to be read when it goes on.

    Args:
        task: the task, its model adapted but not yet trained.
        folder: `pathlib.Path` of the run folder.
    """
    task.save(folder / START)


def capped(config, name, part, tokenizer, less=0):
    """Gives a length that a preset can read, with a note where it is less.

    Args:
        config: the options of training.
        name: string, the option that holds a length.
        part: the encoder or the decoder.
        tokenizer: its `Tokenizer`.
        less: integer, places that the length does not count.

    Returns:
        Integer.
    """
    asked = getattr(config, name)
    limits = stated_limits(part, tokenizer)
    length = min([asked, *(limit - less for limit in limits)])
    if length < asked:
        print(
            f"note: --{name.replace('_', '-')} is {length}, the most that the "
            f"preset reads, and not {asked}",
            file=sys.stderr,
        )
    return length
