"""Qwen3: open decoders of Alibaba, with norms of queries and keys."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family
from keras_attention.zoo.core.gated_decoder import size as _size


def parts(config):
    """The arguments of the models."""
    return gated_decoder.decoder(
        config,
        windows=gated_decoder.last_windows(config),
        bias=config.attention_bias,
        qk_norm=gated_decoder.rms_norm(config),
    )


_ALL = {"max_position_embeddings": 40960, "rope_theta": 1000000.0}
_TIED = {**_ALL, "tie_word_embeddings": True}

QWEN3 = Family(
    name="Qwen3",
    paper="Yang et al. 2025, https://arxiv.org/abs/2505.09388",
    model_types=("qwen3",),
    prefix="model",
    sizes={
        "qwen3_0_6b": _size(1024, 3072, 28, 16, 8, **_TIED),
        "qwen3_1_7b": _size(2048, 6144, 28, 16, 8, **_TIED),
        "qwen3_4b": _size(2560, 9728, 36, 32, 8, **_TIED),
        "qwen3_8b": _size(4096, 12288, 36, 32, 8, **_ALL),
        "qwen3_14b": _size(5120, 17408, 40, 40, 8, **_ALL),
        "qwen3_32b": _size(5120, 25600, 64, 64, 8, **_ALL),
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
        "head_dim": 128,
        "max_position_embeddings": 32768,
        "attention_bias": False,
        "use_sliding_window": False,
        "max_window_layers": 28,
    },
    parts=parts,
    tensors={
        **gated_decoder.tensors(
            **gated_decoder.ATTENTION, **gated_decoder.GATED
        ),
        "blocks.{i}.attention.query_norm": "layers.{i}.self_attn.q_norm",
        "blocks.{i}.attention.key_norm": "layers.{i}.self_attn.k_norm",
    },
    **arguments.causal_lm("Qwen3Model", "Qwen3ForCausalLM"),
)
