"""Marian: the translation models of OPUS-MT, one a pair of languages."""

from keras_attention.zoo.core import describing, pairs, sharing
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    return pairs.bart(config, position="sinusoidal", residual="post_norm")


def copies(config):
    """Copies of matrices that are written, as of `Family`."""
    # A model whose sides have matrices of their own has no third.
    shared = config.get("share_encoder_decoder_embeddings", True)
    return sharing.copies(config) if shared else {}


MARIAN = Family(
    name="Marian",
    paper="Junczys-Dowmunt et al. 2018, https://arxiv.org/abs/1804.00344; "
    "Tiedemann, Thottingal 2020, OPUS-MT",
    model_types=("marian",),
    architectures={"EncoderDecoder": "MarianMTModel"},
    sizes={
        "opus_mt_en_de": {
            "d_model": 512,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 8,
            "decoder_attention_heads": 8,
            "encoder_ffn_dim": 2048,
            "decoder_ffn_dim": 2048,
            "max_position_embeddings": 512,
            "activation_function": "swish",
            "scale_embedding": True,
        },
    },
    defaults={
        **pairs.BART_DEFAULTS,
        "vocab_size": 58101,
        "pad_token_id": 58100,
        "share_encoder_decoder_embeddings": True,
    },
    parts=parts,
    describe=describing.marian,
    passed_over=pairs.SINUSOIDS,
    in_keras_hub=False,
    **{**pairs.BART, "copies": copies},
)
