"""What attention layers support, and how they refuse the rest."""

from keras_attention.checks import check_integer
from keras_attention.tensors import known_integer


class Support:
    """What a flavour says of itself; mixed into `Attention`.

    A call is refused what the flavour does not support.
    """

    kind = "mixer"
    has_heads = True  # whether the constructor takes num_heads
    paper = ""
    cost = ""  # time / memory; `n` length, `d` width of a head
    cache_size = None  # numbers that a row of the cache holds
    supports_cross_attention = True
    supports_causal_mask = True
    supports_attention_mask = True
    supports_rotation = True
    supports_bias = True
    supports_values = True
    supports_scale = True
    supports_counting = True  # whether all that a query sees is scored at once
    supports_cache = True
    masks_scores = False  # whether padding gets no weight, whatever its heads
    exact_causal = True
    counts_from_start = False  # whether it matters where a sequence begins
    rotates_by_any = True  # whether heads may be rotated by any positions
    rotates_relatively = True  # whether rotated heads tell distances alone


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


def check_cache(layer, max_length=None):
    """Refuses a cache where a flavour or its position cannot have one.

    Args:
        layer: an `Attention`.
        max_length: integer, positions that the cache is to hold, if known.
    """
    refuse_unless(
        layer,
        layer.supports_cache,
        "a cache",
        "feed the whole sequence instead",
    )
    check_cached_position(layer, layer.position, max_length)


def check_cached_position(layer, position, max_length=None):
    """Refuses a cache beside a position that needs the whole sequence.

    Args:
        layer: an `Attention`, or a model.
        position: its encoding.
        max_length: integer, positions that the cache is to hold, if known.
    """
    limit, known = position.max_cached_length, known_integer(max_length)
    if limit is not None and known is not None and known > limit:
        raise ValueError(
            f"Beside {type(position).__name__} as it is, a cache of "
            f"{type(layer).__name__} holds {limit} positions at most: those "
            "of longer sequences are rotated otherwise from the first on. "
            f"Received: max_length={max_length}; {position.instead_of_cache}."
        )
    refuse_unless(
        layer,
        position.supports_cache,
        f"a cache beside {type(position).__name__} as it is, which depends "
        "on the length of the whole sequence",
        position.instead_of_cache,
    )


def refuse(layer, what, instead):
    """Raises that a layer does not support something and what to do."""
    raise ValueError(
        f"{type(layer).__name__} does not support {what}; {instead}."
    )


def refuse_unless(layer, supported, what, instead):
    """Does what `refuse` does, unless it is supported."""
    if not supported:
        refuse(layer, what, instead)
