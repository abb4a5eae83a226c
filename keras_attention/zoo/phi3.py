"""Phi-3: small open decoders of Microsoft."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family
from keras_attention.zoo.core.gated_decoder import size as _size


def parts(config):
    """The arguments of the models."""
    # Where the file of the model names a sliding window, all layers have it.
    return gated_decoder.decoder(
        config, windows=[config.get("sliding_window")], partial=True
    )


# What LongRoPE found for the 48 pairs of features of the small model.
_SHORT = (
    *(1.1, 1.1, 1.1, 1.3, 1.35, 1.35, 1.4, 1.55, *17 * (2.0,), *6 * (2.05,)),
    *(2.1, 2.1, 2.15, *5 * (2.25,), 2.4, 2.45, 2.5, 2.7, 2.7, 2.75, 2.8, 2.9),
    3.05,
)
_LONG = (
    *(1.07, 1.12, 1.15, 1.42, 1.5699999, 1.8, 2.1299999, 2.1299999, 3.01),
    *(5.9100003, 6.9500003, 9.070001, 9.93, 10.71, 11.13, 14.61, 15.409999),
    *(19.81, 37.28, 38.28, 38.6, 40.120003, 46.200005, 50.940006, 53.660007),
    *(54.93739, 56.89739, 57.287388, 59.987385, 60.867386, 60.887386),
    *(61.717392, 62.917393, 62.957394, 63.417393, 63.817394, 63.837395),
    *(63.897396, 63.937397, 64.0674, 64.11435, 64.12435, 64.15435, 64.19435),
    *(64.244354, 64.574356, 64.69, 64.76),
)

PHI3 = Family(
    name="Phi-3",
    paper="Abdin et al. 2024, https://arxiv.org/abs/2404.14219",
    model_types=("phi3",),
    prefix="model",
    sizes={
        "phi3_mini_4k": {"sliding_window": 2047},
        "phi3_mini_128k": {
            "max_position_embeddings": 131072,
            "sliding_window": 262144,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": list(_SHORT),
                "long_factor": list(_LONG),
            },
        },
        "phi3_medium_4k": _size(5120, 17920, 40, 40, 10, sliding_window=2047),
    },
    names={**gated_decoder.NAMES, "resid_pdrop": "hidden_dropout_prob"},
    defaults={
        **gated_decoder.DEFAULTS,
        "vocab_size": 32064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "sliding_window": None,
        "resid_pdrop": 0.0,
        "pad_token_id": 32000,
    },
    parts=parts,
    tensors={
        **gated_decoder.tensors(),
        **arguments.fused(
            "layers.{i}.self_attn.qkv_proj", "query", "key", "value"
        ),
        **arguments.fused("layers.{i}.mlp.gate_up_proj", "gate", "up"),
    },
    **arguments.causal_lm("Phi3Model", "Phi3ForCausalLM"),
)
