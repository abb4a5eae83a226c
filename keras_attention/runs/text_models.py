"""The models that read text, made of a recipe's options."""

from keras_attention import (
    EncoderDecoder,
    RecurrentEncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
    attention,
)

# Options of one model, which mean nothing to the other.
OWN = {
    "transformer": (
        "intermediate_dim",
        "position",
        "feed_forward",
        "residual",
        "feed_forward_dropout",
    ),
    "recurrent": ("cell", "attention_order", "input_feeding"),
}


def max_lengths(config):
    """Tells the most tokens of a source and, with its ends, of a target."""
    source = getattr(config, "max_source_length", config.max_length)
    target = max(config.max_length + 1, getattr(config, "min_length", 0))
    return source, target


def make_model(config, source_size, target_size, copy=False):
    """Builds the encoder and decoder that the options describe.

    Args:
        config: the options of training.
        source_size, target_size: integers, sizes of the vocabularies.
        copy: whether the model copies tokens of its source.

    Returns:
        An `EncoderDecoder`.
    """
    make = {"transformer": _transformer, "recurrent": _recurrent}[config.model]
    return make(config, source_size, target_size, copy or None)


def transformer_arguments(config, length, grid=None):
    """Makes the arguments of a `TransformerEncoder` from the options.

    Args:
        config: the options of training.
        length: integer, the most positions, for parts that are made for it.
        grid: rows and columns, where the positions are the cells of a grid.

    Returns:
        Dictionary of all but the size of the vocabulary.
    """
    return {
        "num_layers": config.num_layers,
        "hidden_dim": config.hidden_dim,
        "num_heads": config.num_heads,
        "intermediate_dim": config.intermediate_dim,
        "attention": _attention(
            config, config.attention, max_length=length, grid=grid
        ),
        "position": _position(config.position, length, grid),
        "feed_forward": {
            "class_name": "feed_forward",
            "config": {
                "activation": config.feed_forward,
                "dropout": config.feed_forward_dropout,
            },
        },
        "residual": config.residual,
        "dropout": config.dropout,
    }


def _attention(config, name, **options):
    return attention.get(
        name,
        num_heads=config.num_heads,
        dropout=config.attention_dropout,
        **options,
    )


def _position(name, length, grid=None):
    options = {}
    if name == "learned":
        options["max_length"] = length
    elif grid and name in ("rotary", "window_relative"):
        options["grid"] = grid
    if grid and name == "rotary":
        options["axes"] = 2
    return {"class_name": name, "config": options} if options else name


def _transformer(config, source_size, target_size, copy):
    lengths = max_lengths(config)
    encoder = TransformerEncoder(
        source_size, **transformer_arguments(config, lengths[0])
    )
    arguments = transformer_arguments(config, lengths[1])
    if config.joint_vocabulary:
        arguments["embedding"] = encoder.embedding
    decoder = TransformerDecoder(
        target_size,
        cross_attention=_attention(config, "multi_head"),
        **arguments,
    )
    return EncoderDecoder(encoder, decoder, copy_generator=copy)


def _recurrent(config, source_size, target_size, copy):
    without = config.attention == "none"
    return RecurrentEncoderDecoder(
        target_size,
        config.num_layers,
        config.hidden_dim,
        source_vocabulary_size=source_size,
        cell=config.cell,
        # Without attention the decoder starts where the encoder ended.
        bidirectional=not without,
        attention=None if without else _attention(config, config.attention),
        attention_order=config.attention_order,
        input_feeding=config.input_feeding,
        dropout=config.dropout,
        share_embeddings=config.joint_vocabulary,
        tie_embeddings=config.joint_vocabulary,
        copy_generator=copy,
    )
