"""What the arguments of a call become before a flavour attends."""

from keras import ops

from keras_attention import positions
from keras_attention.attention.checks import (
    check_call,
    check_masks,
    check_sources,
    check_start,
)
from keras_attention.attention.products import swap_heads
from keras_attention.masks import Visibility, as_mask, combine_masks, hide


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
        `(query, key, value, visible, position, side_inputs)`, as `attend`
        takes them.
    """
    padding_mask = as_mask("padding_mask", padding_mask)
    attention_mask = as_mask("attention_mask", attention_mask)
    is_self = value is None and key is None and memory is None
    check_call(
        *(layer, is_self, value, key),
        *(attention_mask, use_causal_mask, cache, memory),
    )
    check_start(start)
    start = ops.cast(start, "int32") if ops.is_tensor(start) else start
    length = ops.shape(query)[1]
    query_positions = start + ops.arange(length, dtype="int32")
    key_positions, position = query_positions, layer.position
    query_heads = layer.project_query(query)
    if memory is not None:
        key_heads = swap_heads(memory["key"])
        value_heads = swap_heads(memory["value"])
    else:
        value = query if value is None else value
        key = value if key is None else key
        if layer.kind != "pointer":  # which takes no values
            check_sources(query, key, value)
        key_heads, value_heads = layer.project_source(key, value)
        if key_heads is None:
            key_heads = query_heads
    inputs = layer.side_inputs(query, key, value)
    if is_self:
        position.check_length(query_heads, start)
        rotate = layer.rotate
        query_heads = rotate(query_heads, position, query_positions, "query")
        key_heads = rotate(key_heads, position, key_positions, "key")
    else:
        # Position relates places in one sequence; across two there is no
        # common order.
        position = positions.PositionalEncoding()
        key_positions = ops.arange(ops.shape(key_heads)[1], dtype="int32")
    check_masks(query_heads, key_heads, padding_mask, attention_mask)
    if padding_mask is not None:
        key_heads = hide(key_heads, padding_mask)
        value_heads = hide(value_heads, padding_mask)
    if memory is not None:
        padding_mask = combine_masks(padding_mask, memory["mask"])
    visible = Visibility(
        query_positions,
        key_positions,
        padding_mask,
        attention_mask,
        use_causal_mask or cache is not None,
    ).ordered()
    return query_heads, key_heads, value_heads, visible, position, inputs


def other_than(query, value, key):
    """Leaves out a value or key that is what it would be by default."""
    if value is query:
        value = None
    if key is (query if value is None else value):
        key = None
    return value, key
