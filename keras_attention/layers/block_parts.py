"""The attention layers that a block is given, and what it refuses."""

from keras_attention import attention as attention_layers


def check_parts(block, attention, feed_forward, cross_attention):
    """Refuses parts of which a block cannot be made.

    Args:
        block: the `TransformerBlock` that is being constructed.
        attention, feed_forward, cross_attention: what it was given.

    Raises:
        ValueError: for a name alone, or if the class of the block has a
            method in place of a part.
    """
    if hasattr(type(block), "residual"):
        raise ValueError(
            f"{type(block).__name__} overrides residual, which is a part now: "
            "write a subclass of Residual and pass it as residual."
        )
    for name, part in (
        ("attention", attention),
        ("cross_attention", cross_attention),
        ("feed_forward", feed_forward),
    ):
        if isinstance(part, str):
            raise ValueError(
                f"{name} must be a layer or a configuration: a name alone "
                f"leaves its sizes open. Received: {part!r}"
            )


def check_crosses(cross_attention):
    """Refuses attention that cannot attend across two sequences."""
    if not cross_attention.supports_cross_attention:
        raise ValueError(
            f"{type(cross_attention).__name__} does not support "
            "cross-attention; give another as cross_attention, for "
            'example "multi_head".'
        )


def mixer(part, argument, defaults):
    """Makes an attention layer that keeps the length of the query.

    Args:
        part: an `Attention`, a configuration, or None.
        argument: what it is called in the error message.
        defaults: dictionary of what a configuration leaves open.

    Returns:
        An `Attention`, or None for None.

    Raises:
        ValueError: for an attention layer of another kind.
    """
    if part is None:
        return None
    if not isinstance(part, attention_layers.Attention):
        part = attention_layers.get(part, **defaults)
    if part.kind != "mixer":
        raise ValueError(
            f"A block needs a mixer as {argument}, which keeps the length of "
            f"the query. Received: {type(part).__name__}, a {part.kind} layer"
        )
    return part


def check_complete(block):
    """Refuses to build a block that leaves a part open, as templates do."""
    for name in ("attention", "feed_forward"):
        if getattr(block, name) is None:
            raise ValueError(
                f"A block needs {name}; only a template, which a model "
                "clones, leaves it open. Received: None"
            )


def check_global_mask(attention):
    """Refuses a global mask for a flavour that knows no global tokens."""
    if not getattr(attention, "takes_global_mask", False):
        raise ValueError(
            f"{type(attention).__name__} knows no global tokens; global_mask "
            "is for LongformerAttention."
        )


def refuse_masks_behind(*masks):
    """Refuses masks beside rows of an earlier segment, which they lack."""
    if any(mask is not None for mask in masks):
        raise ValueError(
            "segments leave no place for attention_mask and global_mask, "
            "which know nothing of the rows in front."
        )


def refuse_memory(memory):
    """Says what is wrong with the memory that a block was called with.

    Args:
        memory: what the call was given, or None.

    Raises:
        ValueError: always.
    """
    if memory is None:
        raise ValueError(
            "A block with cross_attention needs memory. Received: None"
        )
    raise ValueError("Received memory, but this block has no cross_attention.")
