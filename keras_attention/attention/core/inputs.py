"""What the arguments of a call become before a flavour attends."""

from keras import ops

from keras_attention.attention.core.checks import (
    check_call,
    check_masks,
    check_sources,
    check_start,
)
from keras_attention.attention.core.einsum import swap_heads
from keras_attention.masks import (
    Visibility,
    as_mask,
    combine_masks,
    hide_all,
    hide_extremes,
)
from keras_attention.positions.base import NO_POSITION


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

    Args: the layer, and as of its call.

    Returns:
        `(input, query, key, value, visible, position, side_inputs)`: the
        query as the projections take it, and what `attend` takes.
    """
    padding_mask = as_mask("padding_mask", padding_mask)
    attention_mask = as_mask("attention_mask", attention_mask)
    masks = padding_mask, attention_mask
    is_self = value is None and key is None and memory is None
    check_call(
        layer,
        is_self,
        value,
        key,
        attention_mask,
        use_causal_mask,
        cache,
        memory,
    )
    check_start(start)
    start = ops.cast(start, "int32") if ops.is_tensor(start) else start
    length = ops.shape(query)[1]
    query_positions = start + ops.arange(length, dtype="int32")
    key_positions, position = query_positions, layer.position
    if memory is not None:
        key_heads, value_heads = _from_memory(query, memory, *masks)
        query_heads = layer.project_query(query)
        padding_mask = combine_masks(padding_mask, memory["mask"])
    else:
        query, key, value = _sources(layer, query, value, key, *masks)
        query_heads = layer.project_query(query)
        key_heads, value_heads = layer.project_source(key, value)
        if key_heads is None:
            key_heads = query_heads
        if not layer.masks_scores:
            # A projected zero is the bias.
            key_heads, value_heads = hide_all(
                padding_mask, key_heads, value_heads
            )
    inputs = layer.side_inputs(query, key, value)
    if is_self:
        position.check_length(query_heads, start)
        rotate = layer.rotate
        query_heads = rotate(query_heads, position, query_positions, "query")
        key_heads = rotate(key_heads, position, key_positions, "key")
    else:
        # Position relates places in one sequence; across two there is no
        # common order.
        position = NO_POSITION
        key_positions = ops.arange(ops.shape(key_heads)[1], dtype="int32")
    visible = Visibility(
        query_positions,
        key_positions,
        padding_mask,
        attention_mask,
        use_causal_mask or cache is not None,
    ).ordered(is_self)
    heads = query_heads, key_heads, value_heads
    return query, *heads, visible, position, inputs


def _sources(layer, query, value, key, padding_mask, attention_mask):
    """Gives `(query, key, value)` as the projections take them.

    What stands at padding is hidden before it is projected: afterwards it
    would still be what the gradients of the projections are summed with.
    """
    value = query if value is None else value
    key = value if key is None else key
    if layer.kind == "pointer":  # which takes no values
        value = key
    check_sources(query, key, value)
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
