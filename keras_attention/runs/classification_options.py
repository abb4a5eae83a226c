"""Which options of classification.py may be given, and which together."""

import dataclasses

from keras_attention.runs.checks import (
    UsageError,
    check_numbers,
    check_own_options,
)
from keras_attention.runs.classification_data import check_data_options
from keras_attention.runs.options import check_run_options
from keras_attention.runs.starting_vectors import check_word_vectors
from keras_attention.runs.tuning import check_tuning

# Options of one model, or of one kind of input, which mean nothing to others.
OF_MODELS = {
    "transformer": (
        "num_heads",
        "attention",
        "attention_dropout",
        "intermediate_dim",
        "position",
        "feed_forward",
        "residual",
        "feed_forward_dropout",
        "patch_size",
        "patch_stride",
    ),
    "recurrent": ("cell", "bidirectional"),
    "convolutional": ("filters", "kernel_sizes"),
}
OF_INPUTS = {
    "images": (
        "patch_size",
        "patch_stride",
        "image_size",
        "rotate",
        "zoom",
        "shift",
        "batch_size",
    ),
    "text": (
        "text",
        "label",
        "vocabulary_size",
        "subwords",
        "lowercase",
        "word_vectors",
        "frozen_vectors",
        "max_length",
        "token_dropout",
        "tokens",
        "kernel_sizes",
    ),
}


def check_options(config):
    """Refuses options that mean nothing before anything is written.

    Args:
        config: the options of training.

    Raises:
        UsageError: for the first that is out of its range or does not go with
            the others.
    """
    check_tuning(config)
    check_model_options(config)
    check_data_options(config)
    check_word_vectors(config)
    check_run_options(config)
    check_numbers(config, "vocabulary_size", "num_layers", "hidden_dim")
    check_numbers(config, "num_heads", "intermediate_dim", "filters")
    check_numbers(config, "patch_size", "batch_size", "tokens")
    check_numbers(config, "max_length", at_least=2)
    check_numbers(config, "show", at_least=0)
    most = config.patch_size + 1
    check_numbers(config, "patch_stride", at_least=0, below=most)
    check_numbers(config, "rotate", at_least=0, below=360)
    check_numbers(config, "zoom", at_least=0, below=1)
    check_numbers(config, "shift", at_least=0, below=float("inf"))
    dropouts = "dropout", "attention_dropout", "feed_forward_dropout"
    check_numbers(config, *dropouts, at_least=0, below=1)
    shares = "pooled_dropout", "token_dropout"
    check_numbers(config, *shares, at_least=0, below=1)


def check_model_options(config):
    """Refuses options of another model, or of other inputs, than chosen.

    Args:
        config: the options of training.

    Raises:
        UsageError: for the first such option.
    """
    check_own_options(config, "model", OF_MODELS)
    check_own_options(config, "inputs", OF_INPUTS)
    if config.inputs == "images" and config.model == "recurrent":
        raise UsageError("--model recurrent reads text, not --inputs images.")
    width = next(
        x.default for x in dataclasses.fields(config) if x.name == "hidden_dim"
    )
    if (config.inputs, config.model) == ("images", "convolutional") and (
        config.hidden_dim != width
    ):
        raise UsageError(
            "--hidden-dim is no option of a convolutional model of images; "
            "its widths follow from --filters."
        )
