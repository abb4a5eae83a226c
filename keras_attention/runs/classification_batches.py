"""Batches of what classification.py trains on, and the tokenizer of texts."""

from pathlib import Path

import numpy as np

from keras_attention.data import (
    LabelledArrays,
    LabelledTexts,
    SentencePieceTokenizer,
    WordVectors,
)
from keras_attention.data.images.distortion import distorted
from keras_attention.runs.checks import UsageError
from keras_attention.runs.classification_data import SCALE
from keras_attention.runs.presets import save_start
from keras_attention.runs.vocabulary import learn_vocabulary

TOKENIZER = "tokenizer.model"


def make_tokenizer(config, texts):
    """Loads the tokenizer of the run, or learns it from the texts.

    Args:
        config: the options of training.
        texts: list of strings.

    Returns:
        A `SentencePieceTokenizer`.
    """
    path = Path(config.run) / TOKENIZER
    if path.exists():
        return SentencePieceTokenizer.load(path)
    if config.word_vectors and config.subwords == "word":
        return WordVectors(config.word_vectors).train_tokenizer(
            texts, config.vocabulary_size, lowercase=config.lowercase
        )
    return learn_vocabulary(config, texts, lowercase=config.lowercase)


def save_beginning(config, task, folder):
    """Writes what a run that goes on cannot make anew.

    That is the tokenizer, where `make_tokenizer` finds it, or what a preset
    has become; images have nothing.

    Args:
        config: the options of training.
        task: the task.
        folder: `pathlib.Path` of the run folder.
    """
    if config.preset:
        save_start(task, folder)
    for tokenizer in task.tokenizers() if not config.preset else ():
        tokenizer.save(folder / TOKENIZER)


def make_batches(config, task, examples, numbers):
    """Batches examples: texts by length, images as they come.

    Args:
        config: the options of training.
        task: the `TextClassifier` or `ImageClassifier`.
        examples: dictionary from splits to `(inputs, labels)`; those of
            `"train"` are shuffled, and changed at random as the options say.
        numbers: dictionary from splits to the numbers of the labels.

    Returns:
        Dictionary from splits to `LabelledTexts` or `LabelledArrays`.
    """
    make = _image_batches if config.inputs == "images" else _text_batches
    return {
        split: make(config, task, inputs, numbers[split], split == "train")
        for split, (inputs, _) in examples.items()
    }


def _image_batches(config, _, images, numbers, is_training):
    change = None
    if is_training and (config.rotate or config.zoom or config.shift):
        change = lambda x, rng: distorted(
            x, rng, config.rotate, config.zoom, config.shift
        )
    return LabelledArrays(
        np.asarray(images, "float32") * SCALE,
        numbers,
        batch_size=config.batch_size,
        shuffle=is_training,
        seed=config.seed,
        change=change,
    )


def _text_batches(config, task, texts, numbers, is_training):
    change, tokenizer = None, task.tokenizer
    marks = tokenizer.marks or ((tokenizer.start_id,), ())
    if is_training and config.token_dropout:
        if tokenizer.unknown_id < 0:
            raise UsageError(
                "--token-dropout needs a tokenizer with a token for what it "
                "does not know. That of the preset has none."
            )
        kept = [*marks[0], *marks[1], task.inputs.padding_id]
        change = lambda inputs, rng: _without_tokens(
            inputs["token_ids"],
            rng,
            config.token_dropout,
            tokenizer.unknown_id,
            kept,
        )
    return LabelledTexts(
        tokenizer.encode(texts),
        numbers,
        marks=marks,
        padding_id=task.inputs.padding_id,
        token_budget=config.tokens,
        max_length=task.settings["max_length"],
        shuffle=is_training,
        seed=config.seed,
        change=change,
    )


def _without_tokens(token_ids, rng, share, unknown_id, kept):
    """Makes a share of the tokens unknown, never marks or padding."""
    dropped = rng.random(token_ids.shape) < share
    dropped &= ~np.isin(token_ids, kept)
    return {"token_ids": np.where(dropped, unknown_id, token_ids)}
