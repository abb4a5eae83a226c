"""Pegasus: a pair that learned to write the sentences that were left out."""

from keras_attention.zoo.core import describing, pairs
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    return pairs.bart(config, position="sinusoidal", residual="pre_norm")


PEGASUS = Family(
    name="Pegasus",
    paper="Zhang et al. 2019, https://arxiv.org/abs/1912.08777",
    model_types=("pegasus",),
    architectures={"EncoderDecoder": "PegasusForConditionalGeneration"},
    sizes={
        "pegasus_large": {
            "vocab_size": 96103,
            "encoder_layers": 16,
            "decoder_layers": 16,
            "activation_function": "relu",
            "scale_embedding": True,
            "attention_dropout": 0.1,
            "activation_dropout": 0.1,
        },
    },
    defaults={**pairs.BART_DEFAULTS, "pad_token_id": 0},
    parts=parts,
    describe=describing.pegasus,
    passed_over=pairs.SINUSOIDS,
    in_keras_hub=False,
    **pairs.BART,
)
