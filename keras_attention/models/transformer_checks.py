"""What an encoder or decoder refuses at construction."""

from keras_attention.checks import check_dropout, check_integer


def check_sizes(num_layers, hidden_dim, num_heads, dropout):
    """Refuses sizes of which no model can be made."""
    for name, number in (
        ("num_layers", num_layers),
        ("hidden_dim", hidden_dim),
        ("num_heads", num_heads),
    ):
        check_integer(name, number)
    check_dropout(dropout)


def check_heads(layer, hidden_dim):
    """Refuses heads that do not divide a width which they share."""
    num_heads = getattr(layer, "num_heads", 1)
    if getattr(layer, "head_dim", None) is None and hidden_dim % num_heads:
        raise ValueError(
            "hidden_dim must be divisible by num_heads. Received: "
            f"hidden_dim={hidden_dim}, num_heads={num_heads}"
        )


def check_embedding(model):
    """Refuses an embedding of other sizes than those of the model."""
    for name in ("vocabulary_size", "hidden_dim"):
        expected = getattr(model, name)
        received = getattr(model.embedding, name, expected)
        if received != expected:
            raise ValueError(
                f"The embedding has {name}={received}, the model "
                f"{name}={expected}."
            )
    if not model.tie_embeddings and getattr(
        model.embedding, "tie_weights", False
    ):
        raise ValueError(
            "tie_embeddings=False, but the embedding given ties its "
            "weights. Construct it with tie_weights=False."
        )


def check_grid(model):
    """Refuses what reads cells of a grid behind a class token."""
    if not getattr(model.embedding, "class_token", False):
        return
    parts = model.parts_on_grid()
    if parts:
        raise ValueError(
            f"{type(parts[0]).__name__} finds cells of a grid by their "
            "place, which class_token=True shifts by one. Pool "
            "without a class token, or use another encoding."
        )


def check_source(decoder, encoder):
    """Refuses an encoder whose output a decoder cannot read.

    Args:
        decoder: a `TransformerDecoder`.
        encoder: a model.

    Raises:
        ValueError: without cross-attention, or for another kind or width.
    """
    if any(block.cross_attention is None for block in decoder.blocks):
        raise ValueError(
            "The decoder of an EncoderDecoder needs cross_attention, for "
            'example cross_attention="multi_head".'
        )
    if hasattr(encoder, "recurrent_layers"):
        raise ValueError(
            "A TransformerDecoder needs a TransformerEncoder. Received: "
            f"{type(encoder).__name__}"
        )
    memory_dim = decoder.memory_dim or decoder.hidden_dim
    given = encoder.output_dim
    if memory_dim != given:
        raise ValueError(
            "The decoder expects a memory of memory_dim="
            f"{memory_dim}; the encoder gives hidden_dim="
            f"{given}. Pass memory_dim to the decoder."
        )
