"""A `TextToText` as a folder."""

import json
from pathlib import Path

from keras_attention.data.tokenizer import SentencePieceTokenizer
from keras_attention.files import replacing_folder
from keras_attention.models.encoder_decoder import EncoderDecoder

TASK = "task.json"
SOURCE_TOKENIZER = "source_tokenizer.model"
TARGET_TOKENIZER = "target_tokenizer.model"
_KIND = "text_to_text"


def save_parts(folder, model, source_tokenizer, target_tokenizer, settings):
    """Writes the parts of a task; they are all there or none is.

    Args:
        folder: path.
        model: an `EncoderDecoder`.
        source_tokenizer, target_tokenizer: `SentencePieceTokenizer`s.
        settings: dictionary.

    Raises:
        ValueError: if the folder holds something else.
    """
    with replacing_folder(folder, TASK) as partial:
        model.save_to_preset(partial)
        source_tokenizer.save(partial / SOURCE_TOKENIZER)
        target_tokenizer.save(partial / TARGET_TOKENIZER)
        (partial / TASK).write_text(
            json.dumps({"task": _KIND, **settings}, indent=2),
            encoding="utf-8",
        )


def load_parts(folder, known_settings):
    """Reads what `save_parts` wrote.

    Args:
        folder: path.
        known_settings: the names that settings may have.

    Returns:
        `(model, source_tokenizer, target_tokenizer, settings)`.

    Raises:
        ValueError: if a file is missing, truncated or of another kind.
    """
    folder = Path(folder)
    settings = _read_settings(folder / TASK, known_settings)
    tokenizers = [
        SentencePieceTokenizer.load(folder / name)
        for name in (SOURCE_TOKENIZER, TARGET_TOKENIZER)
    ]
    return _load_model(folder), *tokenizers, settings


def _load_model(folder):
    try:
        return EncoderDecoder.from_preset(folder)
    except (TypeError, ValueError) as error:
        # Of Keras' messages, the first line says what is wrong.
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"No usable model at {folder}: {reason}") from error


def _read_settings(path, known):
    if not path.is_file():
        raise ValueError(f"No saved task at {path.parent}: no {path.name}.")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or "task" not in settings:
        raise ValueError(f"{path} is truncated or does not describe a task.")
    kind = settings.pop("task")
    if kind != _KIND:
        raise ValueError(
            f"{path} describes a task of the kind {kind!r}, not {_KIND!r}."
        )
    unknown = sorted(settings.keys() - set(known))
    if unknown:
        raise ValueError(
            f"{path} has the setting {unknown[0]!r}, which is none of "
            f"{', '.join(known)}."
        )
    return settings
