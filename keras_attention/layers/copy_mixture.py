"""Log-probabilities of generating or copying each token."""

from keras import ops

# What stands for the logarithm of zero: of tokens that are beyond the
# vocabulary and do not stand in the source.
_LOWEST = -1e9
# A smaller share is none: its reciprocal, in the gradient, could overflow.
_SMALLEST = 1e-30


def mix(logits, gate, weights, token_ids, has_source, num_extra=0):
    """Computes log(g softmax(logits) + (1 - g) copies).

    Args:
        logits: `(batch, length, vocabulary_size)`, float32 or float64.
        gate: `(batch, length, 1)`, whose sigmoid is g.
        weights: `(batch, length, source_length)`, zero for padding.
        token_ids: integers `(batch, source_length)`.
        has_source: boolean `(batch, 1, 1)`, False where g is 1.
        num_extra: integer, how many ids are beyond the vocabulary.

    Returns:
        `(batch, length, vocabulary_size + num_extra)`.
    """
    num_tokens = logits.shape[-1] + num_extra
    share = ops.where(has_source, ops.log_sigmoid(gate), 0.0)
    total = ops.logsumexp(logits, axis=-1, keepdims=True)
    generated = logits - total + share
    if num_extra:
        padding = [(0, 0), (0, 0), (0, num_extra)]
        generated = ops.pad(generated, padding, constant_values=_LOWEST)
    if 0 in (*generated.shape[:2], token_ids.shape[1]):
        return generated  # Backends differ about sums of nothing.
    # Only tokens of the source are more than generated. They are computed
    # apart, each at its last place: logarithms of the whole vocabulary are
    # slow.
    last, has_token = _last_places(token_ids, num_tokens)
    copied = sum_by_token(weights, last, ops.shape(token_ids)[1])
    is_copied = copied > _SMALLEST
    # One in place of zero, whose logarithm has no gradient.
    copied = ops.log(ops.where(is_copied, copied, 1.0))
    copied = copied + ops.log_sigmoid(-gate)
    alone = _at_tokens(generated, token_ids)
    both = ops.where(is_copied, ops.logaddexp(alone, copied), alone)
    is_last = last == ops.arange(ops.shape(last)[1], dtype=last.dtype)
    both = ops.where(is_last[:, None], both, 0.0)
    both = sum_by_token(both, token_ids, num_tokens)
    return ops.where(has_token, both, generated)


def sum_by_token(weights, token_ids, num_tokens):
    """Adds up the weights of the places that hold the same token.

    Args:
        weights: `(batch, length, source_length)`.
        token_ids: integers `(batch, source_length)`; those outside of
            `num_tokens` do not count.
        num_tokens: integer.

    Returns:
        `(batch, length, num_tokens)`.
    """
    batch, length, _ = ops.shape(weights)
    places, inside = _places(token_ids, length, num_tokens)
    weights = ops.where(inside, weights, 0.0)
    sums = ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(places, (-1,)),
        num_segments=batch * length * num_tokens,
    )
    return ops.reshape(sums, (batch, length, num_tokens))


def _places(token_ids, length, num_tokens):
    """Finds tokens among the values `(batch, length, num_tokens)` in a row.

    Returns:
        Integers `(batch, length, source_length)`, and booleans `(batch, 1,
        source_length)`, False for an id that is none, which is taken for 0.
    """
    token_ids = token_ids[:, None]
    inside = ops.logical_and(token_ids >= 0, token_ids < num_tokens)
    batch = ops.shape(token_ids)[0]
    rows = ops.arange(batch * length, dtype="int32") * num_tokens
    rows = ops.reshape(rows, (batch, length, 1))
    return rows + ops.where(inside, token_ids, 0), inside


def _at_tokens(x, token_ids):
    """Picks `(batch, length, source_length)` out of all tokens' values."""
    batch, length, num_tokens = ops.shape(x)
    places, _ = _places(token_ids, length, num_tokens)
    return ops.take(ops.reshape(x, (-1,)), places, axis=0)


def _last_places(token_ids, num_tokens):
    """Finds where the token of each place stands for the last time.

    Returns:
        Integers `(batch, source_length)`, -1 for an id that is none, and
        booleans `(batch, 1, num_tokens)`, of the tokens that a source has.
    """
    batch, source_length = ops.shape(token_ids)
    places, inside = _places(token_ids, 1, num_tokens)
    order = ops.arange(source_length, dtype="int32")
    last = ops.segment_max(
        ops.reshape(ops.where(inside, order, -1), (-1,)),
        ops.reshape(places, (-1,)),
        num_segments=batch * num_tokens,
    )
    has_token = ops.reshape(last >= 0, (batch, 1, num_tokens))
    last = ops.where(inside, ops.take(last, places, axis=0), -1)
    return last[:, 0], has_token
