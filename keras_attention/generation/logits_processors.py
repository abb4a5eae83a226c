"""How constraints act on the scores of the next token."""

import functools

import numpy as np
from keras import ops

from keras_attention.generation.prompts import check_ids, is_any_of
from keras_attention.layers.copy_mixture import sum_by_token
from keras_attention.tensors import known_integer


def make_processor(constraints, prompt, end_ids=(), num_beams=1):
    """Makes the function that applies constraints before a token is chosen.

    Args:
        constraints: `Constraints`.
        prompt: the `Prompt`.
        end_ids: tuple of the ids that end a row.
        num_beams: integer, rows for each row of the prompt.

    Returns:
        A function `(scores, token_ids, position) -> scores`: float32
        `(rows, vocabulary_size)`, logits or log-probabilities, with the tokens
        so far in int32 `(rows, length)`, of which those from `position` on do
        not count. What may not stand at `position` gets minus infinity, what
        must stand there 0. None where nothing is constrained.
    """
    lengths, limits = prompt.lengths[:, None], prompt.limits[:, None]
    if num_beams > 1:
        lengths = ops.repeat(lengths, num_beams, axis=0)
        limits = ops.repeat(limits, num_beams, axis=0)
    size = constraints.no_repeat_ngram_size
    longest = known_integer(prompt.max_length)
    if longest is not None and size >= longest:
        size = 0  # there is no room for two
    steps = []
    if constraints.repetition_penalty != 1:
        penalty = constraints.repetition_penalty
        steps.append(functools.partial(penalize_repetition, penalty=penalty))
    if size:
        steps.append(functools.partial(forbid_ngrams, size=size))
    words = [w for w in constraints.bad_words if w[1:] or w[0] not in end_ids]
    if words:
        steps.append(functools.partial(forbid_words, words=words))
    steps += _at_the_ends(constraints, lengths, end_ids)
    steps += _forced(constraints, limits)
    if not steps:
        return None
    if constraints.renormalize:
        steps.append(renormalize)

    def process(scores, token_ids, position):
        for step in steps:
            scores = step(scores, token_ids, position)
        return scores

    return process


def _at_the_ends(constraints, lengths, end_ids):
    """What is ruled out everywhere, or by how far a row has come."""
    least, new = constraints.min_length, constraints.min_new_tokens
    ids = constraints.suppressed_ids
    first_ids = constraints.suppressed_first_ids
    if end_ids and least:
        yield lambda scores, token_ids, position: delay_end(
            scores, position, end_ids, least
        )
    if end_ids and new:
        yield lambda scores, token_ids, position: delay_end(
            scores, position, end_ids, lengths + new
        )
    if ids:
        yield lambda scores, token_ids, position: suppress(
            scores, True, suppressed_ids=ids
        )
    if first_ids:
        first = lengths
        if constraints.forced_first_id is not None:
            first = ops.where(lengths == 1, 2, lengths)
        yield lambda scores, token_ids, position: suppress(
            scores, position == first, suppressed_first_ids=first_ids
        )


def _forced(constraints, limits):
    """What must stand at some position."""
    forced = [("forced_ids", p, (x,)) for p, x in constraints.forced_ids]
    first, last = constraints.forced_first_id, constraints.forced_last_id
    if first is not None:
        forced.append(("forced_first_id", 1, (first,)))
    if last:
        forced.append(("forced_last_id", limits - 1, last))
    for name, where, ids in forced:
        yield functools.partial(force, where=where, **{name: ids})


def penalize_repetition(scores, token_ids, position, penalty):
    """Makes the tokens that a row already holds less probable."""
    counts = ops.arange(ops.shape(token_ids)[1]) < position
    counts = ops.broadcast_to(counts, ops.shape(token_ids))
    counts = ops.cast(counts, "float32")[:, None]
    seen = sum_by_token(counts, token_ids, scores.shape[-1])[:, 0] > 0
    penalized = ops.where(scores < 0, scores * penalty, scores / penalty)
    return ops.where(seen, penalized, scores)


def forbid_ngrams(scores, token_ids, position, size):
    """Rules out the tokens that would repeat an n-gram of their row."""
    repeats = completes_ngram(token_ids, position, size, scores.shape[-1])
    return ops.where(repeats, -float("inf"), scores)


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
        last = _from_the_end(token_ids, position, size - 1 - i)[:, None]
        same = ops.logical_and(same, ops.roll(token_ids, -i, axis=1) == last)
    following = ops.roll(token_ids, 1 - size, axis=1)
    same = ops.cast(same, "float32")[:, None]
    return sum_by_token(same, following, vocabulary_size)[:, 0] > 0


def forbid_words(scores, token_ids, position, words):
    """Rules out the tokens that would complete one of some sequences."""
    check_ids(scores.shape[-1], bad_words=[i for word in words for i in word])
    for length in sorted({len(word) for word in words}):
        group = np.array([w for w in words if len(w) == length], "int32")
        rows = ops.shape(scores)[0]
        follows = ops.broadcast_to(position >= length - 1, (rows, len(group)))
        for i in range(length - 1):
            last = _from_the_end(token_ids, position, length - 1 - i)
            follows = ops.logical_and(follows, last[:, None] == group[:, i])
        completed = ops.broadcast_to(group[:, -1], (rows, len(group)))
        follows = ops.cast(follows, "float32")[:, None]
        marked = sum_by_token(follows, completed, scores.shape[-1])[:, 0] > 0
        scores = ops.where(marked, -float("inf"), scores)
    return scores


def _from_the_end(token_ids, position, count):
    """The token of each row that stands `count` before `position`."""
    return ops.take(token_ids, ops.maximum(position - count, 0), axis=1)


def delay_end(scores, position, end_ids, min_length):
    """Rules out the ends where they would come too early."""
    is_end = is_any_of(ops.arange(scores.shape[-1]), end_ids)
    too_early = ops.logical_and(position < min_length, is_end)
    return ops.where(too_early, -float("inf"), scores)


def suppress(scores, where, **ids):
    """Rules out ids, given by the argument's name, in the rows of `where`."""
    check_ids(scores.shape[-1], **ids)
    (ids,) = ids.values()
    marked = np.isin(np.arange(scores.shape[-1]), ids)
    marked = ops.logical_and(ops.convert_to_tensor(marked), where)
    return ops.where(marked, -float("inf"), scores)


def force(scores, token_ids, position, where, **ids):
    """Rules out all but some ids, given by the argument's name, at `where`."""
    check_ids(scores.shape[-1], **ids)
    (ids,) = ids.values()
    kept = np.isin(np.arange(scores.shape[-1]), ids)
    forced = np.where(kept, 0.0, -np.inf).astype("float32")
    return ops.where(position == where, forced, scores)


def renormalize(scores, token_ids, position):
    """Makes log-probabilities of scores, unless a row has none left."""
    total = ops.logsumexp(scores, axis=-1, keepdims=True)
    return ops.where(scores > -float("inf"), scores - total, scores)
