"""Decoders."""

from tests.zoo.case import DECODERS, VOCABULARY, Case

_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 16,
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
}
