"""Vectors of words that the embedding of a classifier starts with."""

import numpy as np

from keras_attention.data import WordVectors
from keras_attention.runs.checks import UsageError
from keras_attention.runs.folder import has_checkpoint


def check_word_vectors(config):
    """Refuses word vectors that the model cannot take.

    A run that goes on has them already, and needs the file no more.

    Args:
        config: the options of training.

    Raises:
        UsageError: if their width is not that of the model, or there are none
            to freeze.
        DataError: if the file is missing or damaged.
    """
    if not config.word_vectors:
        if config.frozen_vectors:
            raise UsageError("--frozen-vectors needs --word-vectors.")
        return
    if has_checkpoint(config):
        return
    dim = WordVectors(config.word_vectors).dim
    if config.hidden_dim != dim:
        raise UsageError(
            f"--hidden-dim must be {dim}, as many as the vectors of "
            f"{config.word_vectors} have. Received: {config.hidden_dim}"
        )


def assign_word_vectors(config, task, texts):
    """Gives the embedding of a classifier of texts the vectors of a file.

    Args:
        config: the options of training, with `word_vectors`.
        task: the `TextClassifier`.
        texts: list of strings, those of training.
    """
    encoder, tokenizer = task.model.encoder, task.tokenizer
    if not has_checkpoint(config):
        vectors = WordVectors(config.word_vectors)
        table, found = vectors.table(tokenizer, config.seed)
        encoder.embedding.assign_vectors(table)
        # The share of the texts tells whether they cut words as the file does.
        pieces = np.concatenate(tokenizer.encode(texts)).astype("int64")
        print(
            f"{found.sum():,} of {len(found):,} pieces start with vectors of "
            f"{config.word_vectors}, and {found[pieces].mean():.1%} of those "
            "that the training texts are made of"
        )
    encoder.embedding.trainable = not config.frozen_vectors
