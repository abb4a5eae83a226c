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
_ROBERTA = {**_BERT, "type_vocab_size": 1, "pad_token_id": 1}
_OTHER_ROBERTA = {
    **_BERT,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_act": "relu",
    "type_vocab_size": 3,
    "layer_norm_eps": 1e-3,
    "pad_token_id": 2,
    "classifier_dropout": 0.3,
    "tie_word_embeddings": False,
}
_DISTILBERT = {
    "vocab_size": VOCABULARY,
    "dim": 24,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 31,
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
    **{
        f"{family}{other}": Case(family, entries, ENCODERS, inputs)
        for family in ("roberta", "xlm-roberta", "camembert")
        for other, entries, inputs in (
            ("", _ROBERTA, ()),
            ("_other", _OTHER_ROBERTA, ("segment_ids",)),
        )
    },
    "distilbert": Case("distilbert", _DISTILBERT, ENCODERS),
    "distilbert_other": Case(
        "distilbert",
        {
            **_DISTILBERT,
            "n_layers": 3,
            "n_heads": 2,
            "activation": "relu",
            "pad_token_id": 2,
            "sinusoidal_pos_embds": True,
            "tie_word_embeddings": False,
        },
        ENCODERS,
    ),
    "longformer": Case(
        "longformer",
        {**_ROBERTA, "attention_window": 4},
        ENCODERS,
        ("global_mask",),
    ),
    "longformer_other": Case(
        "longformer",
        {**_OTHER_ROBERTA, "attention_window": [8, 4, 8]},
        ENCODERS,
        ("segment_ids",),
    ),
}
