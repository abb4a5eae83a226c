"""The memory of the last segment that a decoder may keep."""

from keras import ops

from keras_attention.attention.checks import check_shape, refuse_unless


def check_segment_memory(model):
    """Refuses a memory that a decoder's parts cannot have."""
    size = model.segment_memory
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(
            "segment_memory must be an integer of 0 or more, the positions "
            f"of earlier segments that are kept. Received: {size!r}"
        )
    refuse_unless(
        model.position,
        not (size and model.position.acts_on_embeddings),
        "segment_memory",
        "what is kept would stand at other positions in the next segment; use "
        'a relative encoding, for example position="transformer_xl"',
    )


def empty(model, batch_size):
    """Makes the state of a decoder that has read nothing yet.

    Args:
        model: a `TransformerDecoder`.
        batch_size: integer.

    Returns:
        `{"mask"}`, boolean `(batch, segment_memory)`, and by the name of each
        block what it was given, `(batch, segment_memory, hidden_dim)`.
    """
    check_size(model)
    shape = (batch_size, model.segment_memory)
    hidden = {
        block.name: ops.zeros((*shape, model.hidden_dim), model.compute_dtype)
        for block in model.blocks
    }
    return {"mask": ops.zeros(shape, dtype="bool"), **hidden}


def check_size(model, segments=None):
    """Refuses a state that a decoder was not constructed for."""
    if not model.segment_memory:
        raise ValueError(
            "This TransformerDecoder keeps no earlier segments; construct it "
            "with segment_memory, the number of positions to keep. Received: "
            "segment_memory=0"
        )
    if segments is not None:
        shape = (segments["mask"].shape[0], model.segment_memory)
        check_shape("segments", segments["mask"], shape)


def join(past, x):
    """Puts what is kept in front of a segment: `(batch, length, ...)`."""
    return ops.concatenate([ops.cast(past, x.dtype), x], axis=1)


def keep(past, x):
    """Keeps the last rows of what was kept and a segment, as constants.

    Args:
        past: `(batch, segment_memory, ...)`.
        x: `(batch, length, ...)`.

    Returns:
        A tensor of the shape of `past`.
    """
    size = past.shape[1]
    return ops.stop_gradient(join(past, x)[:, -size:])


def mask_of(padding_mask, x):
    """The padding mask of a segment, `(batch, length)`, if it has none."""
    if padding_mask is None:
        return ops.ones(ops.shape(x)[:2], dtype="bool")
    return ops.cast(padding_mask, "bool")
