"""Mistral 7B: an open decoder whose queries see a window of tokens."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    return gated_decoder.decoder(config, windows=[config.get("sliding_window")])


_BOTH = {"max_position_embeddings": 32768, "rms_norm_eps": 1e-5}

MISTRAL = Family(
    name="Mistral",
    paper="Jiang et al. 2023, https://arxiv.org/abs/2310.06825",
    model_types=("mistral",),
    prefix="model",
    sizes={
        "mistral_7b": _BOTH,
        "mistral_7b_v0_3": {
            **_BOTH,
            "vocab_size": 32768,
            "rope_theta": 1000000.0,
            "sliding_window": None,
        },
    },
    names=gated_decoder.NAMES,
    defaults={
        **gated_decoder.DEFAULTS,
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    },
    parts=parts,
    tensors=gated_decoder.tensors(
        **gated_decoder.ATTENTION, **gated_decoder.GATED
    ),
    **arguments.causal_lm("MistralModel", "MistralForCausalLM"),
)
