"""The models that classification.py trains."""

import dataclasses

from common import UsageError, check_own_options
from text_models import transformer_arguments

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    PatchEmbedding,
    RecurrentEncoder,
    TransformerEncoder,
)

# Options of one model, or of one kind of input, which mean nothing to others.
OF_MODELS = {
    "transformer": (
        *("num_heads", "attention", "attention_dropout", "intermediate_dim"),
        *("position", "feed_forward", "norm_first", "feed_forward_dropout"),
        *("patch_size", "patch_stride"),
    ),
    "recurrent": ("cell", "bidirectional"),
    "convolutional": ("filters", "kernel_sizes"),
}
OF_INPUTS = {
    "images": (
        *("patch_size", "patch_stride", "rotate", "zoom", "shift"),
        "batch_size",
    ),
    "text": (
        *("text", "label", "vocabulary_size", "subwords", "lowercase"),
        *("word_vectors", "frozen_vectors", "max_length"),
        *("token_dropout", "tokens", "kernel_sizes"),
    ),
}
POOLINGS = {"transformer": "mean", "recurrent": "max", "convolutional": "max"}


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


def make_model(config, num_classes, vocabulary_size=None, image_shape=None):
    """Builds the model that the options describe.

    Args:
        config: the options of training.
        num_classes: integer.
        vocabulary_size: integer, for text.
        image_shape: `(height, width, channels)`, for images.

    Returns:
        A `Classifier`.
    """
    if config.model == "transformer":
        encoder = _transformer(config, vocabulary_size, image_shape)
    elif config.model == "recurrent":
        encoder = RecurrentEncoder(
            vocabulary_size,
            config.num_layers,
            config.hidden_dim,
            cell=config.cell,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
    elif config.inputs == "images":
        encoder = ImageConvolutionEncoder(
            [config.filters * 2**stage for stage in range(config.num_layers)],
            image_shape[-1],
            dropout=config.dropout,
        )
    else:
        encoder = ConvolutionalEncoder(
            vocabulary_size,
            config.hidden_dim,
            filters=config.filters,
            kernel_sizes=config.kernel_sizes,
            dropout=config.dropout,
        )
    pooling = config.pooling
    if pooling == "auto":
        pooling = POOLINGS[config.model]
        if config.inputs == "images":
            pooling = "mean"
    return Classifier(
        encoder, num_classes, pooling=pooling, dropout=config.pooled_dropout
    )


def _transformer(config, vocabulary_size, image_shape):
    if config.inputs == "text":
        arguments = transformer_arguments(config, config.max_length)
        return TransformerEncoder(vocabulary_size, **arguments)
    embedding = PatchEmbedding(
        config.patch_size,
        config.hidden_dim,
        channels=image_shape[-1],
        class_token=config.pooling == "first",
        stride=config.patch_stride or None,
    )
    grid = embedding.grid(*image_shape[:2])
    length = grid[0] * grid[1] + 1  # and the class token
    arguments = transformer_arguments(config, length, grid)
    return TransformerEncoder(None, embedding=embedding, **arguments)
