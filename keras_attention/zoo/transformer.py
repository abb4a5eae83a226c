"""The Transformer of 2017, of which sizes alone were published."""

from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the model."""
    given = {
        "vocabulary_size": config.vocab_size,
        "num_layers": config.num_hidden_layers,
        "hidden_dim": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "intermediate_dim": config.intermediate_size,
        "feed_forward": "relu",
        "position": "sinusoidal",
        "residual": "post_norm",
        "dropout": config.hidden_dropout_prob,
    }
    return {
        "encoder": given,
        "decoder": {**given, "cross_attention": "multi_head"},
        "share_embeddings": True,
    }


TRANSFORMER = Family(
    name="Transformer",
    paper="Vaswani et al. 2017, https://arxiv.org/abs/1706.03762",
    model_types=(),
    architectures={"EncoderDecoder": None},
    prefix="",
    sizes={
        "transformer_base": {},
        "transformer_big": {
            "hidden_size": 1024,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "hidden_dropout_prob": 0.3,
        },
    },
    defaults={
        "vocab_size": 37000,
        "hidden_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
        "hidden_dropout_prob": 0.1,
    },
    parts=parts,
    tensors={},
    in_keras_hub=False,
)
