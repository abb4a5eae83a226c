"""SmolLM3: an open decoder, some of whose layers know no positions."""

from keras_attention.zoo.core import arguments, gated_decoder
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    gated_decoder.check_layers(config, "no_rope_layers")
    count, every = config.num_hidden_layers, config.no_rope_layer_interval
    # As the file's list is called, but 1 marks the layers that rotate.
    rotates = config.get(
        "no_rope_layers", [int((i + 1) % every != 0) for i in range(count)]
    )
    kinds = [
        "full_attention"
        if has or not config.use_sliding_window
        else "sliding_attention"
        for has in rotates
    ]
    given = gated_decoder.decoder(
        config,
        windows=gated_decoder.windows(
            config, config.get("sliding_window"), kinds
        ),
        bias=config.attention_bias,
        rope_base=2000000.0,
    )
    rotary = given["decoder"]["position"]
    given["decoder"]["position"] = [rotary if has else None for has in rotates]
    return given


SMOLLM3 = Family(
    name="SmolLM3",
    paper="Bakouch et al. 2025, https://huggingface.co/blog/smollm3",
    model_types=("smollm3",),
    prefix="model",
    sizes={
        "smollm3_3b": {
            "max_position_embeddings": 65536,
            "rope_theta": 5000000.0,
        },
    },
    names=gated_decoder.NAMES,
    defaults={
        **gated_decoder.DEFAULTS,
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "no_rope_layer_interval": 4,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "pad_token_id": 128004,
    },
    parts=parts,
    tensors=gated_decoder.tensors(
        **gated_decoder.ATTENTION, **gated_decoder.GATED
    ),
    **arguments.causal_lm("SmolLM3Model", "SmolLM3ForCausalLM"),
)
