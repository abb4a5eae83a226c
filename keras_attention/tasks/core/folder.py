"""A task as a folder: a model, its tokenizers and its settings."""

import json
import reprlib
from pathlib import Path

from keras_attention.checks import did_you_mean
from keras_attention.data.tokenizers import (
    SentencePieceTokenizer,
    load_tokenizer,
)
from keras_attention.files import recover, replacing_folder
from keras_attention.json_files import read_json
from keras_attention.models.saving.card import CARD, write_card

TASK = "task.json"
DIGESTS = "tokenizer_sha256"  # in it, by the names of files


def save_task(
    folder,
    kind,
    model,
    settings,
    tokenizers,
    save_parts,
    *,
    title,
    pipeline_tag,
    use,
    training,
    scores,
):
    """Writes the parts of a task; they are all there or none is.

    Args:
        folder: path.
        kind: name of the kind of task.
        model: a model with `save_to_preset`.
        settings: dictionary that JSON can hold.
        tokenizers: dictionary from a file's name, which ends in `.model`, to
            a tokenizer. One that is no SentencePiece model becomes a folder
            of this name without its end.
        save_parts: function that writes into a folder what else there is.
        title: string, of the model card.
        pipeline_tag: string or None, for the card.
        use: string, the code that loads the task.
        training, scores: as of `save_to_preset`.

    Raises:
        ValueError: if the folder holds something else.
    """
    with replacing_folder(folder, TASK) as partial:
        model.save_to_preset(partial)
        digests = {}
        for name, tokenizer in tokenizers.items():
            tokenizer.save(_place(partial / name, tokenizer))
            digests[name] = tokenizer.digest
        save_parts(partial)
        (partial / TASK).write_text(
            json.dumps(
                {"task": kind, **settings, DIGESTS: digests},
                indent=2,
                default=_plain,
            ),
            encoding="utf-8",
        )
        write_card(
            partial / CARD,
            Path(folder) / CARD,
            model,
            use,
            title=title,
            pipeline_tag=pipeline_tag,
            rows=[*_told(tokenizers), *settings.items()],
            training=training,
            scores=scores,
        )


def _plain(value):
    """Makes Python's own numbers of those of NumPy."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(
        f"A setting of the task cannot be saved. Received: {value!r}"
    )


def _told(tokenizers):
    """What a card says of the tokenizers."""
    for name, tokenizer in tokenizers.items():
        yield name, f"{tokenizer.vocabulary_size:,} tokens"


def load_task(folder, kind, model_class, known, tokenizers, settings):
    """Reads what `save_task` wrote.

    Args:
        folder: path.
        kind: as given to `save_task`.
        model_class: class of the model.
        known: dictionary from the names that settings may have to whether
            one must be there.
        tokenizers: names of files, as given to `save_task`.
        settings: dictionary of settings to change.

    Returns:
        `(model, settings, *tokenizers)`.

    Raises:
        ValueError: if a file is missing, truncated or of another kind, or a
            tokenizer is not the one that was saved.
    """
    folder = Path(folder)
    settings, digests = _read_settings(folder / TASK, kind, known, settings)
    tokenizers = [_load_tokenizer(folder / x, digests) for x in tokenizers]
    return _load_model(folder, model_class), settings, *tokenizers


def kind_of(folder):
    """Tells the kind of the task in a folder.

    Raises:
        ValueError: if it holds none.
    """
    return _read(Path(folder) / TASK)["task"]


def _place(path, tokenizer):
    """A published tokenizer is a folder of files."""
    is_file = isinstance(tokenizer, SentencePieceTokenizer)
    return path if is_file else path.with_suffix("")


def _load_tokenizer(path, digests):
    folder = path.with_suffix("")
    if folder.is_dir() and not path.exists():
        is_target = path.name.startswith("target")
        tokenizer = load_tokenizer(folder, target=is_target)
    else:
        tokenizer = SentencePieceTokenizer.load(path)
    # Folders of older versions name none.
    expected = digests.get(path.name, tokenizer.digest)
    if tokenizer.digest != expected:
        raise ValueError(
            f"{path} is not the tokenizer that this task was saved with: its "
            f"SHA-256 is {tokenizer.digest}, {TASK} has {expected!r}. To use "
            "another one, make the task anew from its model."
        )
    return tokenizer


def _load_model(folder, model_class):
    try:
        return model_class.from_preset(folder)
    except (TypeError, ValueError) as error:
        # Of Keras' messages, the first line says what is wrong.
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"No usable model at {folder}: {reason}") from error


def _read(path):
    recover(path.parent)
    if not path.is_file():
        raise ValueError(f"No saved task at {path.parent}: no {path.name}.")
    settings = read_json(path)
    if not isinstance(settings, dict) or not isinstance(
        settings.get("task"), str
    ):
        raise ValueError(f"{path} does not describe a task.")
    return settings


def check_known(source, settings, known):
    """Refuses settings that a task does not have.

    Args:
        source: string, where they come from.
        settings: dictionary.
        known: names that there may be.

    Raises:
        ValueError: for the first of them.
    """
    unknown = sorted(settings.keys() - set(known))
    if unknown:
        raise ValueError(
            f"{source} has the setting {unknown[0]!r}, which is none of "
            f"{', '.join(known)}.{did_you_mean(unknown[0], known)}"
        )


def _read_settings(path, expected, known, given):
    check_known("load(...)", given, known)
    settings = _read(path)
    kind = settings.pop("task")
    if kind != expected:
        raise ValueError(
            f"{path} describes a task of the kind {kind!r}, not {expected!r}."
        )
    digests = settings.pop(DIGESTS, {})
    if not isinstance(digests, dict):
        raise ValueError(
            f"{path}: {DIGESTS} must be an object with an entry for each "
            f"tokenizer. Received: {reprlib.repr(digests)}"
        )
    check_known(path, settings, known)
    settings.update(given)
    for name, is_needed in known.items():
        if is_needed and name not in settings:
            raise ValueError(f"{path} lacks the setting {name!r}.")
    return settings, digests
