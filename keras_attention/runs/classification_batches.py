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
from keras_attention.runs.classification_data import SCALE
from keras_attention.runs.vocabulary import learn_vocabulary

TOKENIZER = "tokenizer.model"


def make_tokenizer(config, texts):
    """Loads the tokenizer of the run, or learns it from the texts.

    Args:
        config: the options of training.
        texts: list of strings, or images.

    Returns:
        A `SentencePieceTokenizer`; None for images.
    """
    if config.inputs == "images":
        return None
    path = Path(config.run) / TOKENIZER
    if path.exists():
        return SentencePieceTokenizer.load(path)
    if config.word_vectors and config.subwords == "word":
        return WordVectors(config.word_vectors).train_tokenizer(
            texts, config.vocabulary_size, lowercase=config.lowercase
        )
    return learn_vocabulary(config, texts, lowercase=config.lowercase)


def save_tokenizer(tokenizer, folder):
    """Writes it to where `make_tokenizer` finds it; images have none."""
    if tokenizer is not None:
        tokenizer.save(folder / TOKENIZER)


def make_batches(config, tokenizer, examples, numbers):
    """Batches examples: texts by length, images as they come.

    Args:
        config: the options of training.
        tokenizer: of texts; None for images.
        examples: dictionary from splits to `(inputs, labels)`; those of
            `"train"` are shuffled, and changed at random as the options say.
        numbers: dictionary from splits to the numbers of the labels.

    Returns:
        Dictionary from splits to `LabelledTexts` or `LabelledArrays`.
    """
    make = _image_batches if config.inputs == "images" else _text_batches
    return {
        split: make(config, tokenizer, inputs, numbers[split], split == "train")
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


def _text_batches(config, tokenizer, texts, numbers, is_training):
    change = None
    if is_training and config.token_dropout:
        change = lambda inputs, rng: _without_tokens(
            inputs["token_ids"], rng, tokenizer, config.token_dropout
        )
    return LabelledTexts(
        tokenizer.encode(texts),
        numbers,
        start_id=tokenizer.start_id,
        padding_id=tokenizer.padding_id,
        token_budget=config.tokens,
        max_length=config.max_length,
        shuffle=is_training,
        seed=config.seed,
        change=change,
    )


def _without_tokens(token_ids, rng, tokenizer, share):
    """Makes a share of the tokens unknown, never the start or padding."""
    dropped = rng.random(token_ids.shape) < share
    dropped &= token_ids != tokenizer.padding_id
    dropped[:, 0] = False
    return {"token_ids": np.where(dropped, tokenizer.unknown_id, token_ids)}
