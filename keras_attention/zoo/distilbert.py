"""DistilBERT: BERT with half of the layers, learned from the whole one."""

from keras_attention.zoo.core import arguments, bert_like
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    given = arguments.bert(config)
    given["classifier"]["activation"] = "relu"
    given["sequence_tagger"]["dropout"] = config.hidden_dropout_prob
    return given


DISTILBERT = Family(
    name="DistilBERT",
    paper="Sanh et al. 2019, https://arxiv.org/abs/1910.01108",
    model_types=("distilbert",),
    architectures=bert_like.with_heads("DistilBert"),
    prefix="distilbert",
    sizes={
        "distilbert_base": {},
        "distilbert_base_multilingual": {"vocab_size": 119547},
    },
    names={
        "dim": "hidden_size",
        "hidden_dim": "intermediate_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "activation": "hidden_act",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "seq_classif_dropout": "classifier_dropout",
    },
    defaults={
        "vocab_size": 30522,
        "dim": 768,
        "hidden_dim": 3072,
        "n_layers": 6,
        "n_heads": 12,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
    },
    parts=parts,
    tensors={
        **bert_like.EMBEDDINGS,
        **arguments.blocks(
            "transformer.layer.{i}.",
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            output="attention.out_lin",
            attention_norm="sa_layer_norm",
            up="ffn.lin1",
            down="ffn.lin2",
            feed_forward_norm="output_layer_norm",
        ),
    },
    heads={
        "MaskedLM": arguments.masked_lm(
            transform="vocab_transform",
            norm="vocab_layer_norm",
            bias="vocab_projector.bias",
            decoder="vocab_projector",
        ),
        "Classifier": {"hidden": "pre_classifier", "dense": "classifier"},
        **bert_like.OVER_TOKENS,
    },
)
