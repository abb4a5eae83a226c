"""Llama 2 and 3: open decoders of Meta, after which many others are built."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family
from keras_attention.zoo.core.gated_decoder import size as _size


def parts(config):
    """The arguments of the models."""
    return gated_decoder.decoder(config, bias=config.attention_bias)


_LLAMA_2 = {"max_position_embeddings": 4096, "rms_norm_eps": 1e-5}
_LLAMA_3 = {
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
}


def _scaled(factor):
    """What Llama 3.1 and 3.2 changed for texts of 131,072 tokens."""
    scaling = {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    longer = {"max_position_embeddings": 131072, "rope_scaling": scaling}
    return {**_LLAMA_3, **longer}


_LLAMA_3_2 = {**_scaled(32.0), "tie_word_embeddings": True}

LLAMA = Family(
    name="Llama",
    paper="Touvron et al. 2023, https://arxiv.org/abs/2307.09288; Grattafiori "
    "et al. 2024, https://arxiv.org/abs/2407.21783",
    model_types=("llama",),
    prefix="model",
    sizes={
        "llama2_7b": _size(4096, 11008, 32, 32, **_LLAMA_2),
        "llama2_13b": _size(5120, 13824, 40, 40, **_LLAMA_2),
        "llama2_70b": _size(8192, 28672, 80, 64, 8, **_LLAMA_2),
        "llama3_8b": _size(4096, 14336, 32, 32, 8, **_LLAMA_3),
        "llama3_70b": _size(8192, 28672, 80, 64, 8, **_LLAMA_3),
        "llama3_1_8b": _size(4096, 14336, 32, 32, 8, **_scaled(8.0)),
        "llama3_1_70b": _size(8192, 28672, 80, 64, 8, **_scaled(8.0)),
        "llama3_1_405b": _size(16384, 53248, 126, 128, 8, **_scaled(8.0)),
        "llama3_2_1b": _size(2048, 8192, 16, 32, 8, **_LLAMA_3_2),
        "llama3_2_3b": _size(3072, 8192, 28, 24, 8, **_LLAMA_3_2),
    },
    names=gated_decoder.NAMES,
    defaults={
        **gated_decoder.DEFAULTS,
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "attention_bias": False,
        "mlp_bias": False,
    },
    parts=parts,
    tensors=gated_decoder.tensors(
        **gated_decoder.ATTENTION, **gated_decoder.GATED
    ),
    **arguments.causal_lm("LlamaModel", "LlamaForCausalLM"),
)
