"""What decoders after Llama share: RMS norms, rotary positions, a gate."""

from keras_attention.zoo.core import arguments
from keras_attention.zoo.core.rotary import rotary

# What `arguments` calls entries of these families.
NAMES = {"attention_dropout": "attention_probs_dropout_prob"}

# What the configurations of all of them assume.
DEFAULTS = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_dropout": 0.0,
    "pad_token_id": None,
}

ATTENTION = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
}
GATED = {"gate": "mlp.gate_proj", "up": "mlp.up_proj"}
_OTHERS = {
    "output": "self_attn.o_proj",
    "attention_norm": "input_layernorm",
    "feed_forward_norm": "post_attention_layernorm",
    "down": "mlp.down_proj",
}


def decoder(
    c,
    *,
    windows=None,
    bias=False,
    rope_base=10_000.0,
    partial=False,
    **options,
):
    """The arguments of a decoder as Llama's.

    Args:
        c: a `Configuration`.
        windows: list of how many tokens a query sees in each layer, its own
            among them, or None for all; None where none has a window.
        bias: the `use_bias` of the attention.
        rope_base: float, of the rotation where the file names none.
        partial: whether a part of each head may be rotated alone.
        **options: further options of the attention.

    Returns:
        Dictionary with `"decoder"`.
    """
    options = {
        "num_kv_heads": c.get("num_key_value_heads", c.num_attention_heads),
        "head_dim": c.get("head_dim"),
        "use_bias": bias,
        **options,
    }
    layers = [_attention(c, window, options) for window in windows or [None]]
    is_alike = all(layer == layers[0] for layer in layers)
    return arguments.decoder(
        c,
        attention=layers[0] if is_alike else layers,
        position=rotary(c, rope_base, partial),
        feed_forward=arguments.feed_forward(
            c, gated=True, use_bias=c.get("mlp_bias", False)
        ),
        normalization=rms_norm(c),
    )


def size(width, intermediate, layers, heads, kv_heads=None, **others):
    """What the file of a published size says of its sizes, and others."""
    return {
        "hidden_size": width,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads or heads,
        **others,
    }


def rms_norm(c):
    """The normalization of these models."""
    return arguments.part("rms_norm", epsilon=c.rms_norm_eps)


def windows(c, window, kinds=None):
    """How many tokens a query sees in each layer.

    Args:
        c: a `Configuration`.
        window: integer, in layers with a window, or None for all tokens.
        kinds: list of strings, one a layer, by default those of the file, and
            none with a window where it has none.

    Returns:
        List as of `decoder`.

    Raises:
        ValueError: for a kind of layer that is not known, or another number
            of them than of layers.
    """
    check_layers(c, "layer_types")
    kinds = c.get("layer_types", kinds) or ["full_attention"]
    known = {"full_attention": None, "sliding_attention": window}
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ValueError(
            f"{c.name} has layer_types with {unknown[0]!r}; known are "
            f"{', '.join(map(repr, known))}."
        )
    return [known[kind] for kind in kinds]


def check_layers(c, name):
    """Refuses a list of the file that has not an entry for each layer."""
    given = c.get(name)
    if given is None:
        return
    if not isinstance(given, list) or len(given) != c.num_hidden_layers:
        raise ValueError(
            f"{c.name} has {name}={given!r}; it must be a list of one for each "
            f"of its num_hidden_layers={c.num_hidden_layers}."
        )


def last_windows(c):
    """The windows of Qwen: in layers from `max_window_layers` on, if at all.

    Args:
        c: a `Configuration`.

    Returns:
        List as of `decoder`.
    """
    window = c.entries.get("sliding_window", 4096)
    if not c.use_sliding_window or window is None:
        return windows(c, None)
    first = min(c.max_window_layers, c.num_hidden_layers)
    kinds = ["full_attention"] * first
    kinds += ["sliding_attention"] * (c.num_hidden_layers - first)
    return windows(c, window, kinds)


def _attention(c, window, options):
    if window is None:
        return arguments.attention(c, **options)
    # Their window counts the query, ours only the keys before it.
    size = {"window_size": window - 1}
    return arguments.attention(c, "sliding_window", **size, **options)


def tensors(**modules):
    """The table of such a decoder.

    Args:
        **modules: of a block, as of `arguments.blocks`, beside those that all
            have.

    Returns:
        A table as of `tensors.bind`.
    """
    return {
        "embedding.embedding": "embed_tokens",
        "final_norm": "norm",
        **arguments.blocks("layers.{i}.", **_OTHERS, **modules),
    }
