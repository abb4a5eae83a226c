"""BERT: an encoder that learned to fill in masked tokens."""

from keras_attention.zoo.core import arguments, bert_like
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
    architectures=bert_like.with_heads("Bert"),
    prefix="bert",
    # The small ones are those of Turc et al. 2019.
    sizes={
        "bert_tiny": arguments.size(2, 128),
        "bert_mini": arguments.size(4, 256),
        "bert_small": arguments.size(4, 512),
        "bert_medium": arguments.size(8, 512),
        "bert_base": {},
        "bert_base_cased": {"vocab_size": 28996},
        "bert_large": bert_like.LARGE,
    },
    defaults=bert_like.DEFAULTS,
    parts=parts,
    tensors=bert_like.TENSORS,
    heads={
        "MaskedLM": arguments.masked_lm(
            transform="cls.predictions.transform.dense",
            norm="cls.predictions.transform.LayerNorm",
            bias="cls.predictions.bias",
            decoder="cls.predictions.decoder",
        ),
        "Classifier": {"hidden": "bert.pooler.dense", "dense": "classifier"},
        **bert_like.OVER_TOKENS,
    },
)
