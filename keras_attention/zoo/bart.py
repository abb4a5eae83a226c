"""BART: an encoder and a decoder that learned to restore noisy texts."""

from keras_attention.zoo.core import arguments, pairs
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    return pairs.bart(
        config,
        position=arguments.learned(config, offset=2),
        residual="post_norm",
        embedding_normalization=pairs.layer_norm(),
    )


_DROPOUTS = {"attention_dropout": 0.1, "activation_dropout": 0.1}

BART = Family(
    name="BART",
    paper="Lewis et al. 2019, https://arxiv.org/abs/1910.13461",
    model_types=("bart",),
    architectures={"EncoderDecoder": "BartForConditionalGeneration"},
    sizes={
        "bart_base": {
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
            **_DROPOUTS,
        },
        "bart_large": _DROPOUTS,
        "bart_large_cnn": {"vocab_size": 50264},
    },
    defaults=pairs.BART_DEFAULTS,
    parts=parts,
    **pairs.BART,
)
