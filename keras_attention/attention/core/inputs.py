"""What the arguments of a call become before a flavour attends."""

from keras import ops

from keras_attention.attention.core.checks import check_cache, refuse
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.checks import check_shape
from keras_attention.masks import (
    Visibility,
    as_mask,
    combine_masks,
    hide_all,
    hide_extremes,
)
from keras_attention.positions.base import NO_POSITION
from keras_attention.tensors import known_integer


def prepare(
    layer,
    query,
    value,
    key,
    *,
    attention_mask=None,
    padding_mask=None,
    use_causal_mask=False,
    cache=None,
    memory=None,
    start=0,
):
    """Checks, projects and places what a built layer is called with.

    The padding mask acts three times, each for a reason of its own. It hides
    the source before the projections, since the gradient of their kernels
    sums over all positions, padding included. It hides projected heads where
    a flavour masks no scores, since a projected zero is the bias. And in
    `Visibility.padding_mask` it lowers the scores of padding, whose weight
    would otherwise be that of a zero vector.

    Args: the layer, and as of its call.

    Returns:
        `(input, query, key, value, visible, position, side_inputs)`: the
        query as the projections take it, and what `attend` takes.
    """
    padding_mask = as_mask("padding_mask", padding_mask)
    attention_mask = as_mask("attention_mask", attention_mask)
    is_self = value is None and key is None and memory is None
    _check_call(
        layer,
        is_self,
        value,
        key,
        attention_mask,
        use_causal_mask,
        cache,
        memory,
    )
    _check_start(start)
    length = ops.shape(query)[1]
    position = layer.position
    if memory is not None:
        key_heads, value_heads = _from_memory(
            query, memory, padding_mask, attention_mask
        )
        query_heads = layer.project_query(query)
        padding_mask = combine_masks(padding_mask, memory["mask"])
    else:
        query, key, value = _sources(
            layer, query, value, key, padding_mask, attention_mask
        )
        query_heads = layer.project_query(query)
        key_heads, value_heads = layer.project_source(key, value)
        if key_heads is None:
            key_heads = query_heads
        if not layer.masks_scores:
            key_heads, value_heads = hide_all(
                padding_mask, key_heads, value_heads
            )
    inputs = layer.side_inputs(query, key, value)
    if is_self:
        position.check_length(query_heads, start)
        with position.positions_of_call(start, length) as positions:
            query_heads = layer.rotate(
                query_heads, position, positions, "query"
            )
            key_heads = layer.rotate(key_heads, position, positions, "key")
        # Masks follow from places, whatever positions a caller chose.
        is_chosen = len(positions.shape) > 1
        query_positions = _places(start, length) if is_chosen else positions
        key_positions = query_positions
    else:
        # Position relates places in one sequence; across two there is no
        # common order.
        position = NO_POSITION
        query_positions = _places(start, length)
        key_positions = ops.arange(ops.shape(key_heads)[1], dtype="int32")
    visible = Visibility(
        query_positions,
        key_positions,
        padding_mask,
        attention_mask,
        use_causal_mask or cache is not None,
    ).ordered(is_self)
    return query, query_heads, key_heads, value_heads, visible, position, inputs


def _places(start, length):
    """Integers `(length,)` from a start on."""
    start = ops.cast(start, "int32") if ops.is_tensor(start) else start
    return start + ops.arange(length, dtype="int32")


def _check_call(
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
    if not (is_self or layer.supports_cross_attention):
        refuse(layer, "cross-attention", "use MultiHeadAttention for it")
    if use_causal_mask and not layer.supports_causal_mask:
        instead = "use it in an encoder, or another flavour here"
        refuse(layer, "a causal mask", instead)
    if attention_mask is not None and not layer.supports_attention_mask:
        instead = "pass padding_mask, or use MultiHeadAttention"
        refuse(layer, "a dense attention_mask", instead)
    if cache is not None and not (
        layer.supports_cache and layer.position.supports_cache
    ):
        check_cache(layer)


def _check_start(start):
    """Refuses a position for each row: there is one for all."""
    if isinstance(start, (list, tuple)) or len(getattr(start, "shape", ())):
        raise ValueError(
            "start must be one integer for all rows; feed rows of other "
            f"lengths in turn. Received: {start!r}"
        )


def _check_sources(query, key, value):
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


def _sources(layer, query, value, key, padding_mask, attention_mask):
    """Gives `(query, key, value)` as the projections take them."""
    value = query if value is None else value
    key = value if key is None else key
    if layer.kind == "pointer":  # which takes no values
        value = key
    _check_sources(query, key, value)
    check_masks(query, key, padding_mask, attention_mask)
    sources = hide_all(padding_mask, key, value)
    if query is key or query is value:
        query = hide_extremes(query, padding_mask)
    return query, *sources


def _from_memory(query, memory, padding_mask, attention_mask):
    """Gives the heads of keys and values, which only this call may hide."""
    key, value = swap_heads(memory["key"]), swap_heads(memory["value"])
    check_masks(query, key, padding_mask, attention_mask)
    return hide_all(padding_mask, key, value)


def other_than(query, value, key):
    """Leaves out a value or key that is what it would be by default."""
    if value is query:
        value = None
    if key is (query if value is None else value):
        key = None
    return value, key


def first_mask(*masks):
    """Gives the first mask that there is, or None."""
    return next((mask for mask in masks if mask is not None), None)
