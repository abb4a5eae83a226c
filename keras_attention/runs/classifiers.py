"""Classifiers: the options of their models, and the tasks around them."""

import dataclasses
from typing import Literal

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    PatchEmbedding,
    RecurrentEncoder,
    TransformerEncoder,
)
from keras_attention.runs.checks import UsageError
from keras_attention.runs.classification_batches import make_tokenizer
from keras_attention.runs.classification_data import SCALE
from keras_attention.runs.presets import start_classifier
from keras_attention.runs.text_models import transformer_arguments
from keras_attention.runs.tuning import TuningOptions
from keras_attention.tasks import ImageClassifier, TextClassifier

POOLINGS = {"transformer": "mean", "recurrent": "max", "convolutional": "max"}


@dataclasses.dataclass
class ClassifierOptions(TuningOptions):
    """What training a classifier can be told of its model."""

    model: Literal["transformer", "recurrent", "convolutional"] = "transformer"
    num_layers: int = 2
    """Blocks, recurrent layers, or stages of an image network."""
    hidden_dim: int = 128
    """Width; of a text network, that of the embeddings."""
    pooling: str = "auto"
    """mean, max, first, last, ends, attention, or a flavour with a learned
    query such as additive or luong; auto: mean, or max for older models, or
    as the preset does."""
    num_heads: int = 4
    """Of a Transformer, as are the next seven."""
    attention: str = "multi_head"
    """Flavour; with --preset one that takes the place of its own."""
    attention_dropout: float = 0.1
    intermediate_dim: int = 512
    position: str = "sinusoidal"
    """For images, learned and rotary (of two axes) are usual."""
    feed_forward: str = "gelu"
    residual: str = "pre_norm"
    feed_forward_dropout: float = 0.1
    """Inside the feed-forward parts."""
    cell: Literal["gru", "lstm"] = "gru"
    """Of a recurrent model, as is the next."""
    bidirectional: bool = True
    filters: int = 100
    """Of a convolutional model, as is the next: of each width of kernel for
    text, of the first stage for images (twice as many in each stage after)."""
    kernel_sizes: tuple[int, ...] = (3, 4, 5)
    patch_size: int = 2
    """Pixels of a side, for images and a Transformer."""
    patch_stride: int = 0
    """Pixels from one patch to the next; 0: --patch-size, without overlap."""
    dropout: float = 0.1
    """Of embeddings, between layers, and of what each part adds."""
    pooled_dropout: float = 0.1
    """Of the pooled vector."""


def make_task(config, labels, inputs):
    """Builds the model and the task around it, or starts from a preset.

    Args:
        config: the options of training.
        labels: list of strings, the classes.
        inputs: what training classifies: texts, of which a tokenizer is
            learned, or images, of which the shape is taken.

    Returns:
        A `TextClassifier` or an `ImageClassifier`.
    """
    if config.preset:
        return start_classifier(config, labels)
    if config.inputs == "text":
        tokenizer = make_tokenizer(config, inputs)
        model = make_model(config, len(labels), tokenizer.vocabulary_size)
        return TextClassifier(
            model, tokenizer, labels, max_length=config.max_length
        )
    shape = inputs.shape[1:]
    model = make_model(config, len(labels), image_shape=shape)
    return ImageClassifier(model, labels, image_shape=shape, scale=SCALE)


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
        _check_stages(config, image_shape)
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


def _check_stages(config, image_shape):
    """Refuses more stages than halve an image to one cell."""
    height, width = image_shape[:2]
    most = min(height, width).bit_length() - 1
    if config.num_layers > most:
        raise UsageError(
            f"--num-layers must be at most {most}: each stage halves images "
            f"of {width}x{height} pixels. Received: {config.num_layers}"
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
