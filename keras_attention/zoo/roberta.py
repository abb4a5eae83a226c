"""RoBERTa and its kin: BERT without the second task, trained for longer."""

from keras_attention.zoo.core import bert_like
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(
        position_embedding_type="absolute",
        is_decoder=False,
        add_cross_attention=False,
    )
    return bert_like.roberta(config)


# What all published sizes say. The table of positions begins with two rows
# that only padding uses.
_SAID = {
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}


def _family(name, paper, model_type, vocabulary, start, sizes):
    return Family(
        name=name,
        paper=paper,
        model_types=(model_type,),
        architectures=bert_like.with_heads(start),
        prefix="roberta",
        sizes={size: {**_SAID, **said} for size, said in sizes.items()},
        defaults={**bert_like.ROBERTA_DEFAULTS, "vocab_size": vocabulary},
        parts=parts,
        tensors=bert_like.TENSORS,
        heads=bert_like.ROBERTA_HEADS,
        in_keras_hub=model_type != "camembert",
    )


ROBERTA = _family(
    "RoBERTa",
    "Liu et al. 2019, https://arxiv.org/abs/1907.11692",
    "roberta",
    50265,
    "Roberta",
    {
        "roberta_base": {},
        "roberta_large": bert_like.LARGE,
        "phobert_base": {"vocab_size": 64001, "max_position_embeddings": 258},
    },
)
XLM_ROBERTA = _family(
    "XLM-RoBERTa",
    "Conneau et al. 2020, https://arxiv.org/abs/1911.02116",
    "xlm-roberta",
    30522,
    "XLMRoberta",
    {
        "xlm_roberta_base": {"vocab_size": 250002},
        "xlm_roberta_large": {"vocab_size": 250002, **bert_like.LARGE},
    },
)
CAMEMBERT = _family(
    "CamemBERT",
    "Martin et al. 2020, https://arxiv.org/abs/1911.03894",
    "camembert",
    30522,
    "Camembert",
    {"camembert_base": {"vocab_size": 32005}},
)
