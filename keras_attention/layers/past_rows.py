"""Attention that sees rows in front of those that it is computed for."""

from keras import ops


def attend_behind(
    attention, x, past, *, padding_mask=None, past_mask=None, training=None
):
    """Attends with the rows of `x` to these and to those before them.

    One call over both, of which the first rows are cut off: so no flavour
    needs a form of its own for it. They count from the first of these.

    Args:
        attention: an `Attention` that is causal.
        x: `(batch, length, dim)`.
        past: `(batch, past_length, dim)`.
        padding_mask: boolean `(batch, length)`, or None.
        past_mask: boolean `(batch, past_length)`, or None.
        training: whether to apply dropout.

    Returns:
        `(batch, length, dim)`.
    """
    joined = ops.concatenate([ops.cast(past, x.dtype), x], axis=1)
    masks = []
    for mask, rows in ((past_mask, past), (padding_mask, x)):
        if mask is None:
            mask = ops.ones(ops.shape(rows)[:2], dtype="bool")
        masks.append(mask)
    output = attention(
        joined,
        padding_mask=ops.concatenate(masks, axis=1),
        use_causal_mask=True,
        training=training,
    )
    return output[:, ops.shape(past)[1] :]
