"""Decoders."""

from tests.zoo.case import DECODERS, VOCABULARY, Case
from tests.zoo.families import rotary_decoders

_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 16,
}
_OPT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "ffn_dim": 31,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}
CASES = {
    "gpt2": Case("gpt2", _GPT2, DECODERS),
    "gpt2_other": Case(
        "gpt2",
        {
            **_GPT2,
            "n_layer": 3,
            "n_head": 2,
            "n_inner": 31,
            "activation_function": "relu",
            "layer_norm_epsilon": 1e-3,
            "tie_word_embeddings": False,
        },
        DECODERS,
    ),
    **rotary_decoders.CASES,
    "opt": Case("opt", _OPT, DECODERS),
    # Its hidden states are projected there, and for logits alone here.
    "opt_350m": Case(
        "opt",
        {
            **_OPT,
            "num_attention_heads": 2,
            "num_hidden_layers": 3,
            "do_layer_norm_before": False,
            "word_embed_proj_dim": 13,
        },
        ("CausalLM",),
    ),
    "opt_other": Case(
        "opt",
        {
            **_OPT,
            "num_hidden_layers": 3,
            "activation_function": "gelu",
            "_remove_final_layer_norm": True,
            "enable_bias": False,
            "layer_norm_elementwise_affine": False,
            "pad_token_id": None,
            "dropout": 0.2,
            "attention_dropout": 0.3,
            "tie_word_embeddings": False,
        },
        DECODERS,
    ),
}
