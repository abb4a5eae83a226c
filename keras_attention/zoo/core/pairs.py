"""Arguments and tensors of models of an encoder and a decoder."""

from keras_attention.zoo.core import arguments, fairseq, sharing
from keras_attention.zoo.core.tensors import Batched


def pair(c, encoder, decoder, logits=None, **both):
    """The arguments of an encoder and of a decoder.

    Args:
        c: a `Configuration`.
        encoder, decoder: dictionaries of the arguments of each side.
        logits: dictionary of options of the embedding that makes logits.
        **both: arguments of both sides.

    Returns:
        Dictionary with `"encoder"`, `"decoder"` and `"share_embeddings"`,
        where True puts the decoder's embedding in place of the encoder's.
    """
    shared = c.get("share_encoder_decoder_embeddings", True)
    scale = c.get("scale_embedding", False)
    with_logits = arguments.tokens(c, scale=scale, **(logits or {}))
    # An encoder alone needs no matrix for logits.
    without = arguments.tokens(c, scale=scale, tie_weights=True)
    target_size = c.get("decoder_vocab_size", c.vocab_size)
    both = {
        "hidden_dim": c.hidden_size,
        "dropout": c.get("hidden_dropout_prob", 0.0),
        **both,
    }
    return {
        "encoder": {
            **both,
            "vocabulary_size": c.vocab_size,
            "embedding": without,
            **encoder,
        },
        "decoder": {
            **both,
            "vocabulary_size": c.vocab_size if shared else target_size,
            "embedding": with_logits,
            "tie_embeddings": c.get("tie_word_embeddings", True),
            **decoder,
        },
        "share_embeddings": shared,
    }


def bart(c, encoder=None, decoder=None, logit_bias=True, **both):
    """The arguments of a pair whose configuration is like BART's.

    Its `encoder_layerdrop` and `decoder_layerdrop` act in training alone, and
    are left out.

    Args:
        c: a `Configuration`.
        encoder, decoder: dictionaries of arguments in place of BART's.
        logit_bias: whether logits have a bias.
        **both: further arguments of both sides.

    Returns:
        As of `pair`.
    """

    def side(name, changes):
        return {
            "num_layers": getattr(c, f"{name}_layers"),
            "num_heads": getattr(c, f"{name}_attention_heads"),
            "intermediate_dim": getattr(c, f"{name}_ffn_dim"),
            **(changes or {}),
        }

    decoder = {"cross_attention": arguments.attention(c), **(decoder or {})}
    return pair(
        c,
        side("encoder", encoder),
        side("decoder", decoder),
        logits={"logit_bias": logit_bias},
        **{
            "attention": arguments.attention(c),
            "feed_forward": arguments.feed_forward(c),
            "normalization": layer_norm(),
            **both,
        },
    )


def layer_norm():
    """The normalization of PyTorch's default."""
    return arguments.part("layer_norm", epsilon=1e-5)


def tokens(c):
    """The table of the matrices of tokens."""
    if c.get("share_encoder_decoder_embeddings", True):
        return {"encoder.embedding.embedding": "shared"}
    return {
        f"{side}.embedding.embedding": f"{side}.embed_tokens"
        for side in ("encoder", "decoder")
    }


_CROSS_ATTENTION = {
    "cross_query": "encoder_attn.q_proj",
    "cross_key": "encoder_attn.k_proj",
    "cross_value": "encoder_attn.v_proj",
    "cross_output": "encoder_attn.out_proj",
    "cross_attention_norm": "encoder_attn_layer_norm",
}


def bart_tensors(c, **encoder):
    """The table of a pair whose modules are called as BART's.

    Args:
        c: a `Configuration`.
        **encoder: modules of a block of the encoder in place of BART's, as of
            `arguments.blocks`.

    Returns:
        A table as of `tensors.bind`. A model does without some of its parts.
    """
    table = tokens(c)
    for side, more in (("encoder", encoder), ("decoder", _CROSS_ATTENTION)):
        table |= {
            f"{side}.position.table": f"{side}.embed_positions.weight",
            f"{side}.embedding_norm": f"{side}.layernorm_embedding",
            f"{side}.final_norm": f"{side}.layer_norm",
        }
        table |= arguments.blocks(
            f"{side}.layers.{{i}}.",
            side=f"{side}.",
            **{**fairseq.BLOCK, **more},
        )
    return table


# Of BART and what is like it, by the arguments of `Family`.
BART = {
    "prefix": "model",
    "names": {"d_model": "hidden_size", **fairseq.NAMES},
    "tensors": bart_tensors,
    "heads": {
        "EncoderDecoder": {
            "decoder.embedding.bias": Batched("final_logits_bias"),
            **arguments.LM_HEAD,
        }
    },
    "counts": lambda c: {
        "encoder": c.encoder_layers,
        "decoder": c.decoder_layers,
    },
    "shares": sharing.NAMES,
    "copies": sharing.copies,
}
DEFAULTS = {
    "encoder_layers": 12,
    "encoder_ffn_dim": 4096,
    "encoder_attention_heads": 16,
    "decoder_layers": 12,
    "decoder_ffn_dim": 4096,
    "decoder_attention_heads": 16,
    "activation_function": "gelu",
    "d_model": 1024,
    "dropout": 0.1,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "pad_token_id": 1,
    "tie_word_embeddings": True,
}
BART_DEFAULTS = {
    **DEFAULTS,
    "vocab_size": 50265,
    "max_position_embeddings": 1024,
    "scale_embedding": False,
}
# Tables that files keep, but which are no weights.
SINUSOIDS = ("*.embed_positions.weight", "*.embed_positions.weights")
