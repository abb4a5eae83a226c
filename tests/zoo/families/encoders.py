"""Encoders of texts."""

from tests.zoo.case import ENCODERS, VOCABULARY, Case

_BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 31,
    "max_position_embeddings": 16,
    "num_labels": 3,
}
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
}
