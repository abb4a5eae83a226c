"""Tokens that may not follow: an end too early, n-grams that repeat."""

from keras import ops

from keras_attention.layers.copy_mixture import sum_by_token
from keras_attention.tensors import known_integer


def make_forbid(max_length, end_id, min_length=0, no_repeat_ngram_size=0):
    """Makes the function that rules out tokens.

    Args:
        max_length: Integer or scalar tensor, the length of the result.
        end_id: Integer, the token that ends a row, or None.
        min_length: Integer. The end token cannot come before a row has so many
            tokens, its prompt included. 0 for no minimum.
        no_repeat_ngram_size: Integer `n`. No sequence of `n` tokens comes twice
            in a row, its prompt included. 0 to let them.

    Returns:
        A function `(logits, token_ids, position) -> logits` that sets those of
        the tokens that may not stand at `position` to minus infinity: float32
        `(rows, vocabulary_size)`, with the tokens so far in int32
        `(rows, length)`, of which those from `position` on do not count.
        None where nothing is ruled out.

    Raises:
        ValueError: if a setting is out of its range.

    Reference:
        [Paulus et al., 2018, A Deep Reinforced Model for Abstractive
        Summarization](https://arxiv.org/abs/1705.04304) (no trigram twice)
    """
    check_constraints(min_length, no_repeat_ngram_size, max_length)
    longest = known_integer(max_length)
    if longest is not None and no_repeat_ngram_size >= longest:
        no_repeat_ngram_size = 0  # there is no room for two
    has_minimum = min_length > 0 and end_id is not None
    if not has_minimum and not no_repeat_ngram_size:
        return None

    def forbid(logits, token_ids, position):
        if has_minimum:
            logits = delay_end(logits, position, end_id, min_length)
        if no_repeat_ngram_size:
            repeats = completes_ngram(
                token_ids, position, no_repeat_ngram_size, logits.shape[-1]
            )
            logits = ops.where(repeats, -float("inf"), logits)
        return logits

    return forbid


def delay_end(logits, position, end_id, min_length):
    """Sets the end token to minus infinity where it would come too early."""
    is_end = ops.arange(logits.shape[-1]) == end_id
    too_early = ops.logical_and(position < min_length, is_end)
    return ops.where(too_early, -float("inf"), logits)


def completes_ngram(token_ids, position, size, vocabulary_size):
    """Marks the tokens that would repeat an n-gram of their row.

    All windows of a row are compared with its last `size - 1` tokens at once;
    where they agree, the token that followed may not follow again.

    Args:
        token_ids: Integers `(rows, length)`.
        position: Integer or scalar tensor, how many tokens of a row count.
        size: Integer, at least 1, tokens in an n-gram.
        vocabulary_size: Integer.

    Returns:
        Boolean `(rows, vocabulary_size)`.
    """
    # A window is named by its first position. Rolled, not cut, so that the
    # shape is the same for all sizes: what comes round is in no window that
    # is complete.
    starts = ops.arange(ops.shape(token_ids)[1])
    same = ops.broadcast_to(starts <= position - size, ops.shape(token_ids))
    for i in range(size - 1):
        place = ops.maximum(position - size + 1 + i, 0)
        last = ops.take(token_ids, place, axis=1)[:, None]
        same = ops.logical_and(same, ops.roll(token_ids, -i, axis=1) == last)
    following = ops.roll(token_ids, 1 - size, axis=1)
    same = ops.cast(same, "float32")[:, None]
    return sum_by_token(same, following, vocabulary_size)[:, 0] > 0


def check_constraints(min_length=0, no_repeat_ngram_size=0, max_length=None):
    """Raises ValueError for a setting out of its range.

    `max_length` is compared with where it is known.
    """
    for name, number in (
        ("min_length", min_length),
        ("no_repeat_ngram_size", no_repeat_ngram_size),
    ):
        if type(number) is not int or number < 0:
            raise ValueError(
                f"`{name}` must be an integer of at least 0, which stands for "
                f"none. Received: {name}={number!r}"
            )
    longest = known_integer(max_length)
    if longest is not None and min_length > longest:
        raise ValueError(
            "`min_length` must be at most `max_length`. Received: "
            f"min_length={min_length}, max_length={longest}"
        )
