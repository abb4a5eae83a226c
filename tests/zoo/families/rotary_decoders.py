"""Decoders after Llama, with rotary positions and gates."""

from tests.zoo.case import DECODERS, VOCABULARY, Case

_SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 31,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}
_OTHER = {
    **_SMALL,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "hidden_act": "gelu_pytorch_tanh",
    "rms_norm_eps": 1e-3,
    "tie_word_embeddings": True,
    "attention_dropout": 0.1,
    "pad_token_id": 2,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_YARN = {
    "rope_type": "yarn",
    "rope_theta": 300.0,
    "factor": 4.0,
    "original_max_position_embeddings": 8,
}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 300.0,
    "short_factor": [1.0, 1.1, 1.3, 1.7],
    "long_factor": [1.2, 2.9, 5.0, 11.0],
}
_BIASES = {"attention_bias": True}
_WINDOWS = {"use_sliding_window": True, "sliding_window": 3}
CASES = {
    "llama": Case("llama", {**_SMALL, "num_key_value_heads": None}, DECODERS),
    "llama_other": Case(
        "llama",
        {
            **_OTHER,
            **_BIASES,
            "mlp_bias": True,
            "head_dim": 10,
            "rope_parameters": _LLAMA3,
        },
        DECODERS,
    ),
    # No cache can be right: later tokens change the rotation of early ones.
    "llama_dynamic": Case(
        "llama",
        {
            **_SMALL,
            "max_position_embeddings": 5,
            "rope_parameters": {
                "rope_type": "dynamic",
                "rope_theta": 100.0,
                "factor": 2.0,
            },
        },
        ("TransformerDecoder",),
    ),
    "mistral": Case("mistral", {**_SMALL, "sliding_window": None}, DECODERS),
    "mistral_other": Case(
        "mistral",
        {
            **_OTHER,
            "head_dim": 10,
            "sliding_window": 4,
            "rope_parameters": {
                "rope_type": "linear",
                "rope_theta": 100.0,
                "factor": 3.0,
            },
        },
        DECODERS,
    ),
    "qwen2": Case("qwen2", _SMALL, DECODERS),
    "qwen2_other": Case(
        "qwen2",
        {**_OTHER, **_WINDOWS, "max_window_layers": 1, "rope_theta": 77.0},
        DECODERS,
    ),
    "qwen2_layers": Case(
        "qwen2",
        {
            **_SMALL,
            **_WINDOWS,
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": _YARN,
        },
        DECODERS,
    ),
    "qwen3": Case("qwen3", {**_SMALL, "head_dim": 8}, DECODERS),
    "qwen3_other": Case(
        "qwen3",
        {
            **_OTHER,
            **_BIASES,
            **_WINDOWS,
            "head_dim": 10,
            "max_window_layers": 2,
            "rope_parameters": {
                **_YARN,
                "attention_factor": 1.3,
                "beta_fast": 11.0,
                "beta_slow": 0.7,
                "truncate": False,
            },
        },
        DECODERS,
    ),
    "phi3": Case("phi3", {**_SMALL, "pad_token_id": 0}, DECODERS),
    "phi3_other": Case(
        "phi3",
        {
            **_OTHER,
            "num_attention_heads": 3,
            "num_key_value_heads": None,
            "sliding_window": 4,
            "resid_pdrop": 0.2,
            "original_max_position_embeddings": 16,
            "rope_parameters": _LONGROPE,
        },
        DECODERS,
    ),
    # Longer than the short factors are for, so without a cache.
    "phi3_long": Case(
        "phi3",
        {
            **_SMALL,
            "hidden_size": 32,
            "pad_token_id": 0,
            "original_max_position_embeddings": 5,
            "rope_parameters": {**_LONGROPE, "partial_rotary_factor": 1.0},
        },
        ("TransformerDecoder",),
    ),
    "phi3_partial": Case(
        "phi3",
        {
            **_SMALL,
            "hidden_size": 64,
            "pad_token_id": 0,
            "original_max_position_embeddings": 16,
            "rope_parameters": {
                **_LONGROPE,
                "partial_rotary_factor": 0.5,
                "attention_factor": 1.7,
            },
        },
        DECODERS,
    ),
    "smollm3": Case(
        "smollm3",
        {**_SMALL, "pad_token_id": 0, "no_rope_layer_interval": 2},
        DECODERS,
    ),
    "smollm3_other": Case(
        "smollm3",
        {
            **_OTHER,
            **_BIASES,
            **_WINDOWS,
            "mlp_bias": True,
            "no_rope_layers": [0, 1, 0],
            "tie_word_embeddings": False,
            "rope_parameters": {**_YARN, "mscale": 0.7, "mscale_all_dim": 1.3},
        },
        DECODERS,
    ),
    "smollm3_layers": Case(
        "smollm3",
        {
            **_SMALL,
            **_WINDOWS,
            "pad_token_id": None,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        DECODERS,
    ),
}
