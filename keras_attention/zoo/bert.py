"""BERT: an encoder that learned to fill in masked tokens."""

from keras_attention.zoo.core import arguments
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(
        position_embedding_type="absolute",
        is_decoder=False,
        add_cross_attention=False,
    )
    return arguments.bert(config)


BERT = Family(
    name="BERT",
    paper="Devlin et al. 2019, https://arxiv.org/abs/1810.04805",
    model_types=("bert",),
    architectures={
        "TransformerEncoder": "BertModel",
        "MaskedLM": "BertForMaskedLM",
        "Classifier": "BertForSequenceClassification",
    },
    prefix="bert",
    # The small ones are those of Turc et al. 2019.
    sizes={
        "bert_tiny": arguments.size(2, 128),
        "bert_mini": arguments.size(4, 256),
        "bert_small": arguments.size(4, 512),
        "bert_medium": arguments.size(8, 512),
        "bert_base": {},
        "bert_base_cased": {"vocab_size": 28996},
        "bert_large": arguments.size(24, 1024),
    },
    defaults={
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    },
    parts=parts,
    tensors={
        "embedding.embedding": "embeddings.word_embeddings",
        "embedding.segments": "embeddings.token_type_embeddings.weight",
        "position.table": "embeddings.position_embeddings.weight",
        "embedding_norm": "embeddings.LayerNorm",
        **arguments.blocks(
            "encoder.layer.{i}.",
            query="attention.self.query",
            key="attention.self.key",
            value="attention.self.value",
            output="attention.output.dense",
            attention_norm="attention.output.LayerNorm",
            up="intermediate.dense",
            down="output.dense",
            feed_forward_norm="output.LayerNorm",
        ),
    },
    heads={
        "MaskedLM": arguments.masked_lm(
            transform="cls.predictions.transform.dense",
            norm="cls.predictions.transform.LayerNorm",
            bias="cls.predictions.bias",
            decoder="cls.predictions.decoder",
        ),
        "Classifier": {"hidden": "bert.pooler.dense", "dense": "classifier"},
    },
)
