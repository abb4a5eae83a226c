"""LED: BART whose encoder attends to windows, for long documents."""

from keras_attention.zoo.core import arguments, global_windows, pairs
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(scale_embedding=False)
    # No token is global unless a call says so.
    attention = global_windows.attention(config, config.encoder_layers)

    def position(length):
        return arguments.part("learned", max_length=length)

    return pairs.bart(
        config,
        encoder={
            "attention": attention,
            "position": position(config.max_encoder_position_embeddings),
        },
        decoder={"position": position(config.max_decoder_position_embeddings)},
        residual="post_norm",
        embedding_normalization=pairs.layer_norm(),
    )


def tensors(config):
    """The table of tensors."""
    prefix, names = "self_attn.longformer_self_attn", ("query", "key", "value")
    return pairs.bart_tensors(
        config,
        **{name: f"{prefix}.{name}" for name in names},
        **{f"global_{name}": f"{prefix}.{name}_global" for name in names},
        output="self_attn.output",
    )


LED = Family(
    name="LED",
    paper="Beltagy et al. 2020, https://arxiv.org/abs/2004.05150",
    model_types=("led",),
    architectures={"EncoderDecoder": "LEDForConditionalGeneration"},
    sizes={
        "led_base": {
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
            "attention_window": 1024,
        },
        "led_large": {"attention_window": 1024},
    },
    defaults={
        **pairs.DEFAULTS,
        "vocab_size": 50265,
        "max_encoder_position_embeddings": 16384,
        "max_decoder_position_embeddings": 1024,
        "attention_window": 512,
    },
    parts=parts,
    changeable=global_windows.CHANGEABLE,
    in_keras_hub=False,
    **{**pairs.BART, "prefix": "led", "tensors": tensors},
)
