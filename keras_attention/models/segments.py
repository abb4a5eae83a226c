"""The memory of the last segment that a decoder may keep."""

from keras import ops

from keras_attention.attention.core.checks import refuse_unless
from keras_attention.checks import check_integer, check_shape
from keras_attention.tensors import known_integer


def check_segment_memory(model):
    """Refuses a memory that a decoder's parts cannot have.

    The first row of a segment stands behind what is kept, and so at another
    position than in the text; whatever looks at that cannot be right.

    Args:
        model: a `TransformerDecoder`.

    Returns:
        Integer, the positions that are kept.
    """
    size = check_integer("segment_memory", model.segment_memory, smallest=0)
    position = model.position
    limit = position.max_length
    relative = 'use a relative one, for example position="transformer_xl"'
    refuse_unless(
        position,
        not (size and position.acts_on_embeddings),
        "segment_memory, since it has absolute positions",
        relative,
    )
    refuse_unless(
        position,
        not size
        or (position.supports_cache and (limit is None or size < limit)),
        f"segment_memory={size}, since it depends on the length or ends "
        f"before (max_length={limit})",
        relative,
    )
    for block in model.blocks if size else ():
        _check_mixer(block.attention, position)
    return size


def _check_mixer(mixer, position):
    refuse_unless(
        mixer,
        mixer.exact_causal and not mixer.counts_from_start,
        "segment_memory, since it matters to it where a sequence begins",
        "use MultiHeadAttention, SlidingWindowAttention without sinks or "
        "RetentionAttention",
    )
    refuse_unless(
        mixer,
        mixer.rotates_relatively or not position.overrides("rotate"),
        f"segment_memory with {type(position).__name__}, which its features "
        "make absolute",
        "use position=None, or MultiHeadAttention",
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
    check_state(model)
    shape = (batch_size, model.segment_memory)
    hidden = {
        block.name: ops.zeros((*shape, model.hidden_dim), model.compute_dtype)
        for block in model.blocks
    }
    return {"mask": ops.zeros(shape, dtype="bool"), **hidden}


def check_state(model, segments=None, x=None):
    """Refuses a state that a decoder was not constructed for.

    Args:
        model: a `TransformerDecoder`.
        segments: what a call was given, or None.
        x: `(batch, length, hidden_dim)`, the rows that go with it.
    """
    if not model.segment_memory:
        raise ValueError(
            "This TransformerDecoder keeps no earlier segments; construct it "
            "with segment_memory, the number of positions to keep. Received: "
            "segment_memory=0"
        )
    if segments is None:
        return
    expected = ["mask", *(block.name for block in model.blocks)]
    received = sorted(segments) if isinstance(segments, dict) else segments
    if received != sorted(expected):
        raise ValueError(
            "segments must be what init_segments or the call before returned, "
            f"a dictionary of {', '.join(expected)}. Received: {received!r}"
        )
    batch = known_integer(x.shape[0])
    shape = (batch, model.segment_memory)
    check_shape(
        "segments, for this batch and segment_memory,", segments["mask"], shape
    )


def check_call(model, segments, x, cache, start, position_ids=None):
    """Refuses segments beside what they stand in place of.

    Args: as of the call of a `TransformerDecoder`; `x` as of `check_state`.
    """
    check_state(model, segments, x)
    if cache is not None or known_integer(start) != 0:
        raise ValueError(
            "segments stand in place of a cache, and positions count from "
            "what is kept; leave out cache and start. Received: "
            f"cache={'None' if cache is None else 'a dictionary'}, "
            f"start={start}"
        )
    if position_ids is not None:
        raise ValueError(
            "Positions count from what is kept of earlier segments; leave out "
            "position_ids where there are segments."
        )


def feed(block, x, segments, **arguments):
    """Calls a block with the rows that it was given for earlier segments.

    Args:
        block: a `TransformerBlock`.
        x: `(batch, length, hidden_dim)`.
        segments: the decoder's state, as of `empty`.
        **arguments: the block's other call arguments.

    Returns:
        `(output, what is kept for the block)`.
    """
    past = segments[block.name]
    output = block(x, past=past, past_mask=segments["mask"], **arguments)
    return output, keep(past, x)


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
