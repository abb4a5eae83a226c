"""Entries of a `config.json` for models that were made here."""

from keras_attention.layers.feed_forward import FeedForward, find_activation
from keras_attention.zoo.core.arguments import ACTIVATIONS

# Texts that `transformers` makes room for. Sinusoids need none, but it keeps
# them in a table.
LONGEST = 1024


def activation_name(layer):
    """What a `config.json` calls the activation of a feed-forward part.

    Args:
        layer: a `FeedForward`.

    Returns:
        A string.

    Raises:
        ValueError: if there is no name for it.
    """
    if not isinstance(layer, FeedForward):
        raise ValueError(
            f"feed_forward is {type(layer).__name__}, which must be FeedForward"
        )
    function, _ = find_activation(layer.activation, layer.gated)
    for name, ours in ACTIVATIONS.items():
        if find_activation(ours)[0] is function:
            return name
    raise ValueError(
        f"feed_forward has activation={layer.activation!r}, for which a "
        f"config.json has no name; it has {', '.join(ACTIVATIONS)}"
    )


def bart(model, **entries):
    """The entries of a pair, as of BART.

    Start and end tokens are those of a tokenizer, which a model does not know.

    Args:
        model: an `EncoderDecoder` of Transformers.
        **entries: further entries, or in place of those.

    Returns:
        Dictionary.
    """
    decoder, sizes = model.decoder, {}
    for name in ("encoder", "decoder"):
        side = getattr(model, name)
        part = side.blocks[0].feed_forward
        sizes |= {
            f"{name}_layers": len(side.blocks),
            f"{name}_attention_heads": side.num_heads,
            f"{name}_ffn_dim": getattr(part, "intermediate_dim", 1),
        }
    block = decoder.blocks[0]
    padding_id = getattr(decoder.embedding, "padding_id", None)
    return {
        "vocab_size": model.encoder.vocabulary_size,
        "d_model": decoder.hidden_dim,
        **sizes,
        "activation_function": activation_name(block.feed_forward),
        "dropout": decoder.dropout,
        "attention_dropout": getattr(block.attention, "dropout", 0.0),
        "activation_dropout": block.feed_forward.dropout,
        "scale_embedding": getattr(decoder.embedding, "factor", None)
        is not None,
        "max_position_embeddings": LONGEST,
        "tie_word_embeddings": getattr(decoder.embedding, "tie_weights", True),
        "share_encoder_decoder_embeddings": model.share_embeddings,
        "pad_token_id": padding_id,
        "decoder_start_token_id": padding_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "forced_eos_token_id": None,
        **entries,
    }


def marian(model):
    """The entries of Marian, whose sides may have a vocabulary each."""
    return bart(model, decoder_vocab_size=model.decoder.vocabulary_size)


def pegasus(model):
    """The entries of Pegasus.

    Its sides share their matrix with the logits, or all three have their own.
    """
    own = not model.share_embeddings
    return bart(model, **({"tie_word_embeddings": False} if own else {}))
