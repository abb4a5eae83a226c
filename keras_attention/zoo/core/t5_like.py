"""Arguments and tensors of models like T5."""

from keras_attention.zoo.core import arguments, pairs

_ACTIVATIONS = {
    **arguments.ACTIVATIONS,
    **{f"gated-{name}": x for name, x in arguments.ACTIVATIONS.items()},
    # The released checkpoints mean the approximation by this name.
    "gated-gelu": arguments.ACTIVATIONS["gelu_new"],
}


def parts(c, logit_scale=None):
    """The arguments of a pair.

    Args:
        c: a `Configuration`.
        logit_scale: factor of logits, or None.

    Returns:
        As of `pairs.pair`.
    """
    c.refuse_unless(
        share_encoder_decoder_embeddings=True,
        # Newer files say it twice.
        is_gated_act=_is_gated(c),
        dense_act_fn=_activation_name(c),
    )
    dropout = c.hidden_dropout_prob
    # Its small initial queries make up for a scale.
    attention = arguments.part(
        "multi_head",
        head_dim=c.d_kv,
        scale=1.0,
        use_bias=False,
        dropout=dropout,
    )

    def side(num_layers, bidirectional, **more):
        position = arguments.part(
            "t5_relative",
            num_buckets=c.relative_attention_num_buckets,
            max_distance=c.relative_attention_max_distance,
            bidirectional=bidirectional,
        )
        return {"num_layers": num_layers, "position": position, **more}

    return pairs.pair(
        c,
        side(c.num_layers, bidirectional=True),
        side(
            c.get("num_decoder_layers", c.num_layers),
            bidirectional=False,
            cross_attention=attention,
        ),
        logits={"logit_scale": logit_scale},
        num_heads=c.num_heads,
        intermediate_dim=c.d_ff,
        attention=attention,
        feed_forward=arguments.part(
            "feed_forward",
            activation=c.choose("feed_forward_proj", _ACTIVATIONS),
            gated=_is_gated(c),
            use_bias=False,
            dropout=dropout,
        ),
        normalization=arguments.part("rms_norm", epsilon=c.layer_norm_epsilon),
        residual="pre_norm",
    )


def counts(c):
    """How many layers each side has."""
    return {
        "encoder": c.num_layers,
        "decoder": c.get("num_decoder_layers", c.num_layers),
    }


def _activation_name(c):
    if c.feed_forward_proj == "gated-gelu":
        return "gelu_new"
    return c.feed_forward_proj.removeprefix("gated-")


def _is_gated(c):
    return c.feed_forward_proj.startswith("gated-")


def _attention(kind, layer):
    return {
        f"{kind}{name}": f"{layer}.{name[0]}"
        for name in ("query", "key", "value", "output")
    }


def tensors(c):
    """The table of tensors, as of `Family`."""
    table = pairs.tokens(c)
    for side, last in (("encoder", 1), ("decoder", 2)):
        dense = f"layer.{last}.DenseReluDense"
        block = {
            **_attention("", "layer.0.SelfAttention"),
            "attention_norm": "layer.0.layer_norm",
            "up": f"{dense}.wi_1" if _is_gated(c) else f"{dense}.wi",
            "gate": f"{dense}.wi_0",
            "down": f"{dense}.wo",
            "feed_forward_norm": f"layer.{last}.layer_norm",
        }
        if side == "decoder":
            block |= _attention("cross_", "layer.1.EncDecAttention")
            block["cross_attention_norm"] = "layer.1.layer_norm"
        # The first layer learns the bias that all of a side share.
        first = f"{side}.block.0.layer.0.SelfAttention"
        table |= {
            f"{side}.position.table": f"{first}.relative_attention_bias.weight",
            f"{side}.final_norm": f"{side}.final_layer_norm",
            **arguments.blocks(f"{side}.block.{{i}}.", f"{side}.", **block),
        }
    return table
