"""Qwen2: open decoders of Alibaba, with biases of query, key and value."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family
from keras_attention.zoo.core.gated_decoder import size as _size


def parts(config):
    """The arguments of the models."""
    return gated_decoder.decoder(
        config,
        windows=gated_decoder.last_windows(config),
        bias=["query", "key", "value"],
    )


_ALL = {"max_position_embeddings": 131072, "rope_theta": 1000000.0}
_TIED = {**_ALL, "tie_word_embeddings": True}
_LARGE = {**_ALL, "vocab_size": 152064}

QWEN2 = Family(
    name="Qwen2",
    paper="Yang et al. 2024, https://arxiv.org/abs/2407.10671",
    model_types=("qwen2",),
    prefix="model",
    sizes={
        "qwen2_0_5b": _size(896, 4864, 24, 14, 2, **_TIED),
        "qwen2_1_5b": _size(1536, 8960, 28, 12, 2, **_TIED),
        "qwen2_7b": _size(3584, 18944, 28, 28, 4, **_LARGE),
        "qwen2_72b": _size(8192, 29568, 80, 64, 8, rms_norm_eps=1e-5, **_LARGE),
    },
    names=gated_decoder.NAMES,
    defaults={
        **gated_decoder.DEFAULTS,
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 22016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "max_window_layers": 28,
    },
    parts=parts,
    tensors=gated_decoder.tensors(
        **gated_decoder.ATTENTION, **gated_decoder.GATED
    ),
    **arguments.causal_lm("Qwen2Model", "Qwen2ForCausalLM"),
)
