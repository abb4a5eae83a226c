"""T5: every task as one from text to text; also its version 1.1 and FLAN."""

from keras_attention.zoo.core import arguments, sharing, t5_like
from keras_attention.zoo.core.family import Family

_SIZES = {
    "small": (512, 6, 8, 2048),
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "3b": (1024, 24, 32, 16384),
    "11b": (1024, 24, 128, 65536),
}
# Of version 1.1 and of mT5.
LATER_SIZES = {
    "small": (512, 8, 6, 1024),
    "base": (768, 12, 12, 2048),
    "large": (1024, 24, 16, 2816),
    "xl": (2048, 24, 32, 5120),
    "xxl": (4096, 24, 64, 10240),
}
LATER = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}


def sizes(prefix, table, **entries):
    """The entries of sizes."""
    names = "d_model", "num_layers", "num_heads", "d_ff"
    return {
        prefix + size: {**dict(zip(names, row, strict=True)), **entries}
        for size, row in table.items()
    }


def parts(config):
    """The arguments of the models."""
    # Logits were scaled if tied; only newer files say so by itself.
    tied = config.get("tie_word_embeddings", True)
    scaled = config.get("scale_decoder_outputs", tied)
    return t5_like.parts(config, config.hidden_size**-0.5 if scaled else None)


T5 = Family(
    name="T5",
    paper="Raffel et al. 2020, https://arxiv.org/abs/1910.10683; Chung et al. "
    "2022 (FLAN), https://arxiv.org/abs/2210.11416",
    model_types=("t5",),
    architectures={
        "EncoderDecoder": "T5ForConditionalGeneration",
        "TransformerEncoder": "T5EncoderModel",
    },
    prefix="",
    sizes={
        **sizes("t5_", _SIZES),
        "t5_3b": {**sizes("t5_", _SIZES)["t5_3b"], "d_kv": 128},
        "t5_11b": {**sizes("t5_", _SIZES)["t5_11b"], "d_kv": 128},
        **sizes("t5_v1_1_", LATER_SIZES, **LATER),
    },
    names={"d_model": "hidden_size", "dropout_rate": "hidden_dropout_prob"},
    defaults={
        "vocab_size": 32128,
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 2048,
        "num_layers": 6,
        "num_heads": 8,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "relu",
        "pad_token_id": 0,
    },
    parts=parts,
    tensors=t5_like.tensors,
    heads={"EncoderDecoder": arguments.LM_HEAD},
    counts=t5_like.counts,
    shares=sharing.NAMES,
    t5_logits=True,
    # What the first versions saved, and nothing used.
    passed_over=("*.EncDecAttention.relative_attention_bias.weight",),
)
