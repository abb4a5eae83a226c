"""The models that classification.py trains."""

from common import UsageError
from text_models import transformer_arguments

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    PatchEmbedding,
    RecurrentEncoder,
    TransformerEncoder,
)

POOLINGS = {"transformer": "mean", "recurrent": "max", "convolutional": "max"}


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
