"""OPT: open decoders of Meta, of the sizes of GPT-3."""

from keras_attention.zoo.core import arguments, fairseq
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    width, narrow = config.hidden_size, config.get("word_embed_proj_dim")
    bias, affine = config.enable_bias, config.layer_norm_elementwise_affine
    return arguments.decoder(
        config,
        attention=arguments.attention(config, use_bias=bias),
        feed_forward=arguments.feed_forward(config, use_bias=bias),
        position=arguments.learned(config, offset=2, skips_padding=True),
        normalization=arguments.part(
            "layer_norm", epsilon=1e-5, center=affine, scale=affine
        ),
        residual="pre_norm" if config.do_layer_norm_before else "post_norm",
        final_normalization=not config.get("_remove_final_layer_norm", False),
        # What a TransformerDecoder gives is not projected to this width yet.
        embedding=arguments.tokens(
            config, embedding_dim=None if narrow == width else narrow
        ),
    )


def _size(width, layers, heads, **others):
    sizes = {"num_hidden_layers": layers, "num_attention_heads": heads}
    return {"hidden_size": width, "ffn_dim": 4 * width, **sizes, **others}


OPT = Family(
    name="OPT",
    paper="Zhang et al. 2022, https://arxiv.org/abs/2205.01068",
    model_types=("opt",),
    prefix="model",
    sizes={
        "opt_125m": {},
        "opt_350m": _size(
            1024, 24, 16, do_layer_norm_before=False, word_embed_proj_dim=512
        ),
        "opt_1_3b": _size(2048, 24, 32),
        "opt_2_7b": _size(2560, 32, 32),
        "opt_6_7b": _size(4096, 32, 32),
        "opt_13b": _size(5120, 40, 40),
        "opt_30b": _size(7168, 48, 56),
        "opt_66b": _size(9216, 64, 72),
    },
    names={"ffn_dim": "intermediate_size", **fairseq.NAMES},
    defaults={
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "activation_function": "relu",
        "do_layer_norm_before": True,
        "_remove_final_layer_norm": False,
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "dropout": 0.1,
        "attention_dropout": 0.0,
        "pad_token_id": 1,
        "tie_word_embeddings": True,
    },
    parts=parts,
    tensors={
        "embedding.embedding": "decoder.embed_tokens",
        "embedding.input_projection": "decoder.project_in",
        "embedding.output_projection": "decoder.project_out",
        "position.table": "decoder.embed_positions.weight",
        "final_norm": "decoder.final_layer_norm",
        **arguments.blocks("decoder.layers.{i}.", **fairseq.BLOCK),
    },
    **arguments.causal_lm("OPTModel", "OPTForCausalLM"),
)
