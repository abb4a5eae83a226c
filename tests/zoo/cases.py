"""Small models of `transformers` for each family, and what they are given.

Two variants of a family differ in every switch of its `config.json` that has
more than one value.
"""

from typing import NamedTuple

import numpy as np

VOCABULARY, LENGTH = 37, 9


class Case(NamedTuple):
    """One variant of a family.

    Attributes:
        family: name of its `model_type`.
        entries: dictionary of entries of `config.json`.
        classes: names of the model classes here that are compared.
        inputs: names of further inputs, beside ids and a mask.
    """

    family: str
    entries: dict
    classes: tuple
    inputs: tuple = ()

    def ids(self, rng, padding_id=0, length=LENGTH):
        """Tokens without the padding id, but for the end of a row."""
        ids = rng.integers(3, VOCABULARY, (3, length))
        ids[ids == padding_id] = 3
        ids[1, -3:] = padding_id
        return ids


_BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 31,
    "max_position_embeddings": 16,
    "num_labels": 3,
}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 16,
}
DECODERS = ("TransformerDecoder", "CausalLM")
ENCODERS = ("TransformerEncoder", "MaskedLM", "Classifier")

CASES = {
    "bert": Case("bert", _BERT, ENCODERS, ("segment_ids",)),
    "bert_other": Case(
        "bert",
        {
            **_BERT,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "hidden_act": "relu",
            "type_vocab_size": 3,
            "layer_norm_eps": 1e-3,
            "pad_token_id": 2,
            "classifier_dropout": 0.3,
            "tie_word_embeddings": False,
        },
        ENCODERS,
        ("segment_ids",),
    ),
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


def further_inputs(case, rng, shape):
    """Draws what a case takes beside ids, by our names."""
    given = {}
    if "segment_ids" in case.inputs:
        kinds = case.entries.get("type_vocab_size", 2)
        given["segment_ids"] = rng.integers(0, kinds, shape)
    if "global_mask" in case.inputs:
        marked = np.zeros(shape, bool)
        marked[:, 0] = marked[0, 3] = True
        given["global_mask"] = marked
    return given
