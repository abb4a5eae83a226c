"""M2M-100 and NLLB: one model between all pairs of many languages."""

from keras_attention.zoo.core import arguments, pairs
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    # Rows of the table up to that of the padding id are for no token.
    position = arguments.part(
        "sinusoidal",
        endpoint=True,
        offset=config.pad_token_id + 1,
        skips_padding=True,
    )
    return pairs.bart(
        config, position=position, residual="pre_norm", logit_bias=False
    )


_DEEP = {
    "encoder_layers": 24,
    "decoder_layers": 24,
    "encoder_ffn_dim": 8192,
    "decoder_ffn_dim": 8192,
}

M2M_100 = Family(
    name="M2M-100",
    paper="Fan et al. 2020, https://arxiv.org/abs/2010.11125; "
    "NLLB Team 2022, https://arxiv.org/abs/2207.04672",
    model_types=("m2m_100",),
    architectures={"EncoderDecoder": "M2M100ForConditionalGeneration"},
    sizes={
        "m2m100_418m": {},
        "m2m100_1_2b": _DEEP,
        "nllb_200_600m": {"vocab_size": 256206},
        "nllb_200_1_3b": {"vocab_size": 256206, **_DEEP},
        "nllb_200_3_3b": {"vocab_size": 256206, "d_model": 2048, **_DEEP},
    },
    defaults={
        **pairs.BART_DEFAULTS,
        "vocab_size": 128112,
        "activation_function": "relu",
        "scale_embedding": True,
        "attention_dropout": 0.1,
    },
    parts=parts,
    passed_over=pairs.SINUSOIDS,
    in_keras_hub=False,
    **pairs.BART,
)
