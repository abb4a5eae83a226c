"""mBART: BART with norms first, for texts of many languages."""

from keras_attention.zoo.core import arguments, pairs
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    return pairs.bart(
        config,
        position=arguments.learned(config, offset=2),
        residual="pre_norm",
        embedding_normalization=pairs.layer_norm(),
    )


MBART = Family(
    name="mBART",
    paper="Liu et al. 2020, https://arxiv.org/abs/2001.08210; "
    "Tang et al. 2020 (mBART-50), https://arxiv.org/abs/2008.00401",
    model_types=("mbart",),
    architectures={"EncoderDecoder": "MBartForConditionalGeneration"},
    sizes={
        "mbart_large": {"vocab_size": 250027, "scale_embedding": True},
        "mbart_large_50": {"vocab_size": 250054, "scale_embedding": True},
    },
    defaults=pairs.BART_DEFAULTS,
    parts=parts,
    in_keras_hub=False,
    **pairs.BART,
)
