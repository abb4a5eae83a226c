"""What attention layers refuse, in one message each."""

from keras_attention.checks import check_integer
from keras_attention.tensors import known_integer


def check_heads(num_heads, head_dim, num_kv_heads):
    """Refuses head counts and widths that do not fit."""
    check_integer("num_heads", num_heads)
    check_integer("head_dim", 1 if head_dim is None else head_dim)
    check_integer("num_kv_heads", num_kv_heads)
    if num_heads % num_kv_heads:
        raise ValueError(
            "num_heads must be a multiple of num_kv_heads. Received: "
            f"num_heads={num_heads}, num_kv_heads={num_kv_heads}"
        )


def check_position(layer, position):
    """Refuses an encoding whose hooks a flavour does not call."""
    if position.acts_on_embeddings and not position.acts_in_attention:
        raise ValueError(
            f"{type(position).__name__} is added to embeddings. Give it "
            "to a model, or call it on the embeddings yourself; received "
            f"as position of {type(layer).__name__}"
        )
    has_bias = position.overrides("bias")
    refuse_unless(
        layer,
        layer.supports_bias or not has_bias,
        f"the score bias of {type(position).__name__}",
        "use RotaryEmbedding or another position without a bias",
    )
    refuse_unless(
        layer,
        (layer.supports_counting and layer.supports_causal_mask)
        or not position.counts_keys,
        f"{type(position).__name__}, which counts the keys in between",
        "use MultiHeadAttention or SlidingWindowAttention, or another position",
    )
    refuse_unless(
        layer,
        layer.supports_scale or not position.overrides("scale"),
        f"the scale of {type(position).__name__}",
        "use MultiHeadAttention, or another position",
    )
    has_rotation = position.overrides("rotate")
    refuse_unless(
        layer,
        layer.supports_rotation or not has_rotation,
        f"the rotation of {type(position).__name__}",
        "use a position that is added to embeddings, SinusoidalEncoding for "
        "example",
    )
    has_values = position.overrides("values")
    refuse_unless(
        layer,
        # Without weights to look up there is nothing to add either.
        (layer.supports_bias and layer.supports_values) or not has_values,
        f"what {type(position).__name__} adds to the values",
        "use RotaryEmbedding or another position that adds nothing to them",
    )


def check_call(
    layer, is_self, value, key, attention_mask, use_causal_mask, cache, memory
):
    """Refuses call arguments that exclude each other or the flavour."""
    if memory is not None and (value is not None or key is not None):
        raise ValueError(
            "memory stands in place of value and key; received both."
        )
    if cache is not None and not is_self:
        raise ValueError(
            "A cache is for self-attention; for cross-attention pass "
            "memory=init_memory(value) and no cache."
        )
    if cache is not None and attention_mask is not None:
        raise ValueError(
            "With a cache attention is causal and attention_mask cannot "
            "be honoured; pass padding_mask for this call's keys."
        )
    refuse_unless(
        layer,
        is_self or layer.supports_cross_attention,
        "cross-attention",
        "use MultiHeadAttention for it",
    )
    refuse_unless(
        layer,
        layer.supports_causal_mask or not use_causal_mask,
        "a causal mask",
        "use it in an encoder, or another flavour here",
    )
    refuse_unless(
        layer,
        layer.supports_attention_mask or attention_mask is None,
        "a dense attention_mask",
        "pass padding_mask, or use MultiHeadAttention",
    )
    if cache is not None:
        check_cache(layer)


def check_cache(layer):
    """Refuses a cache where a flavour or its position cannot have one."""
    refuse_unless(
        layer,
        layer.supports_cache,
        "a cache",
        "feed the whole sequence instead",
    )
    check_cached_position(layer, layer.position)


def check_cached_position(layer, position):
    """Refuses a cache beside a position that needs the whole sequence."""
    refuse_unless(
        layer,
        position.supports_cache,
        f"a cache beside {type(position).__name__} as it is, which depends "
        "on the length of the whole sequence",
        position.instead_of_cache,
    )


def check_start(start):
    """Refuses a position for each row: there is one for all."""
    if isinstance(start, (list, tuple)) or len(getattr(start, "shape", ())):
        raise ValueError(
            "start must be one integer for all rows; feed rows of other "
            f"lengths in turn. Received: {start!r}"
        )


def check_sources(query, key, value):
    """Refuses a key and value that do not belong together, or to the query.

    Args:
        query: `(batch, query_length, ...)`.
        key, value: `(batch, key_length, ...)`.
    """
    sizes = {
        "batch": (query.shape[0], key.shape[0], value.shape[0]),
        "length": (key.shape[1], key.shape[1], value.shape[1]),
    }
    for size, found in sizes.items():
        known = [known_integer(number) for number in found]
        if len({number for number in known if number is not None}) > 1:
            raise ValueError(
                "query, key and value must have the same batch, key and value "
                f"the same length. Received: a {size} of {known[1]} for the "
                f"key, {known[2]} for the value"
                + (f", {known[0]} for the query" if size == "batch" else "")
            )


def check_masks(query, key, padding_mask, attention_mask):
    """Refuses masks whose shapes do not fit; they would broadcast unnoticed.

    Args:
        query: `(batch, query_length, ...)`.
        key: `(batch, key_length, ...)`.
        padding_mask: `(batch, key_length)` or None.
        attention_mask: `(batch or 1, query_length, key_length)` or None.
    """
    batch, query_length, key_length = *query.shape[:2], key.shape[1]
    if padding_mask is not None:
        check_shape("padding_mask", padding_mask, (batch, key_length))
    if attention_mask is not None:
        rows = 1 if attention_mask.shape[0] == 1 else batch
        check_shape(
            "attention_mask", attention_mask, (rows, query_length, key_length)
        )


def refuse_unless(layer, supported, what, instead):
    """Raises that a layer does not support something and what to do."""
    if not supported:
        raise ValueError(
            f"{type(layer).__name__} does not support {what}; {instead}."
        )


def check_shape(name, tensor, expected):
    """Refuses a tensor of another shape, where the sizes are known."""
    shape = tuple(tensor.shape)
    if len(shape) != len(expected) or any(
        have is not None and want is not None and have != want
        for have, want in zip(shape, expected, strict=True)
    ):
        raise ValueError(
            f"{name} must have the shape {expected}. Received: {shape}"
        )
