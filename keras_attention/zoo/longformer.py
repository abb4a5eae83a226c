"""Longformer: RoBERTa that sees a window around each token of a long text."""

from keras_attention.zoo.core import arguments, bert_like, global_windows
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(position_embedding_type="absolute")
    count = config.num_hidden_layers
    plain, of_class = (
        global_windows.attention(config, count, number) for number in (0, 1)
    )
    given = bert_like.roberta(config, attention=plain)
    # Without a global mask the first token of a class is global.
    given["classifier"]["encoder"] = {"attention": of_class}
    return given


_SIZE = {
    "vocab_size": 50265,
    "max_position_embeddings": 4098,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}

LONGFORMER = Family(
    name="Longformer",
    paper="Beltagy et al. 2020, https://arxiv.org/abs/2004.05150",
    model_types=("longformer",),
    architectures=bert_like.with_heads("Longformer"),
    prefix="longformer",
    sizes={
        "longformer_base": _SIZE,
        "longformer_large": {**_SIZE, **bert_like.LARGE},
    },
    defaults={
        **bert_like.ROBERTA_DEFAULTS,
        "attention_window": 512,
    },
    parts=parts,
    tensors={
        **bert_like.TENSORS,
        **arguments.blocks(
            "encoder.layer.{i}.attention.self.",
            global_query="query_global",
            global_key="key_global",
            global_value="value_global",
        ),
    },
    heads=bert_like.ROBERTA_HEADS,
    changeable=global_windows.CHANGEABLE,
    in_keras_hub=False,
)
