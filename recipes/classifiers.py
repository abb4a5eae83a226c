"""The models that classification.py trains."""

from common import UsageError, check_own_options

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    PatchEmbedding,
    RecurrentEncoder,
    TransformerEncoder,
    attention,
)

# Options of one model, which mean nothing to the others.
OWN = {
    "transformer": (
        *("num_heads", "attention", "attention_dropout", "intermediate_dim"),
        *("position", "feed_forward", "norm_first", "feed_forward_dropout"),
    ),
    "recurrent": ("cell", "bidirectional"),
    "convolutional": ("filters", "kernel_sizes"),
}
POOLINGS = {"transformer": "mean", "recurrent": "max", "convolutional": "max"}


def check_model_options(config):
    """Refuses options of another model, or of other inputs, than chosen.

    Args:
        config: the options of training.

    Raises:
        UsageError: for the first such option.
    """
    check_own_options(config, "model", OWN)
    check_own_options(
        config,
        "inputs",
        {
            "images": ("patch_size", "shift", "batch_size"),
            "text": (
                *("text", "label", "vocabulary_size"),
                *("subwords", "lowercase", "token_dropout"),
            ),
        },
    )
    if config.inputs == "images" and config.model == "recurrent":
        raise UsageError("--model recurrent reads text, not --inputs images.")


def make_model(config, num_classes, vocabulary_size=None, channels=1):
    """Builds the model that the options describe.

    Args:
        config: the options of training.
        num_classes: integer.
        vocabulary_size: integer, for text.
        channels: integer, for images.

    Returns:
        A `Classifier`.
    """
    if config.model == "transformer":
        encoder = _transformer(config, vocabulary_size, channels)
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
            channels,
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


def _transformer(config, vocabulary_size, channels):
    embedding = "tokens"
    if config.inputs == "images":
        embedding = PatchEmbedding(
            config.patch_size,
            config.hidden_dim,
            channels=channels,
            class_token=config.pooling == "first",
        )
    position = config.position
    if position == "rotary" and config.inputs == "images":
        position = {"class_name": "rotary", "config": {"axes": 2}}
    elif position == "learned" and config.inputs == "text":
        position = {
            "class_name": "learned",
            "config": {"max_length": config.max_length},
        }
    return TransformerEncoder(
        vocabulary_size,
        config.num_layers,
        config.hidden_dim,
        config.num_heads,
        intermediate_dim=config.intermediate_dim,
        attention=attention.get(
            config.attention,
            num_heads=config.num_heads,
            dropout=config.attention_dropout,
        ),
        position=position,
        feed_forward={
            "class_name": "feed_forward",
            "config": {
                "activation": config.feed_forward,
                "dropout": config.feed_forward_dropout,
            },
        },
        norm_first=config.norm_first,
        dropout=config.dropout,
        embedding=embedding,
    )
