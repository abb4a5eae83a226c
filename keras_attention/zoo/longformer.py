"""Longformer: RoBERTa that sees a window around each token of a long text."""

from keras_attention.zoo.core import arguments, bert_like
from keras_attention.zoo.core.family import Family


def _attention(config, num_global_tokens):
    windows = config.attention_window
    if isinstance(windows, int):
        windows = [windows] * config.num_hidden_layers
    if len(windows) != config.num_hidden_layers or any(w % 2 for w in windows):
        raise ValueError(
            f"{config.name} has attention_window={windows}; it must be even, "
            "one for all layers or one for each."
        )
    # The published number counts both sides.
    return [
        arguments.attention(
            config,
            "longformer",
            window_size=window // 2,
            num_global_tokens=num_global_tokens,
        )
        for window in windows
    ]


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(position_embedding_type="absolute")
    given = bert_like.roberta(config, attention=_attention(config, 0))
    # Without a global mask the first token of a class is global.
    given["classifier"]["encoder"] = {"attention": _attention(config, 1)}
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
    in_keras_hub=False,
)
