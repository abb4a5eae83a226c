"""The beams of every row, and how one step moves them on."""

import collections

from keras import ops, tree

from keras_attention.generation.prompts import is_any_of

Rules = collections.namedtuple(
    "Rules",
    "prompt end_ids length_penalty early_stopping keep_all process stops",
)
Rules.__doc__ = """What does not change during a beam search.

Attributes:
    prompt: The `Prompt`.
    end_ids: Tuple of the tokens that end a hypothesis.
    length_penalty: The exponent of the length in a score.
    early_stopping: True, False or `"never"`; see `beam_search`.
    keep_all: Whether all finished hypotheses are wanted, or only the best.
    process: None, or what `make_processor` made.
    stops: None, or the `StopStrings`, one of which ends a hypothesis.
"""


def initial_state(rules, num_beams):
    """The beams before the first new token.

    Args:
        rules: The `Rules` of the search.
        num_beams: Integer.

    Returns:
        A dictionary: running `token_ids`, `(batch, num_beams, max_length)`, and
        `scores`, the sums `(batch, num_beams)`, of which only the first beam is
        alive, since all are still equal; `finished_ids` and `finished_scores`,
        of the same shapes, best first; `ended`, `(batch,)`; with stop strings
        `read`, `(batch, num_beams)`, their states.
    """
    prompt = rules.prompt
    lengths = prompt.lengths
    token_ids = ops.repeat(prompt.token_ids[:, None, :], num_beams, axis=1)
    full = lengths >= prompt.limits
    first = ops.arange(num_beams)[None, :] == 0
    dead = ops.cast(ops.where(first, 0.0, -float("inf")), "float32")
    scores = ops.zeros_like(lengths, dtype="float32")[:, None] + dead
    stops = rules.stops
    return {
        **({} if stops is None else {"read": stops.begin(scores)}),
        "token_ids": token_ids,
        "scores": scores,
        "finished_ids": token_ids,
        # A prompt that fills everything is its own result.
        "finished_scores": ops.where(full[:, None], scores, -float("inf")),
        "ended": full,
    }


def advance(rules, position, logits, state):
    """Puts one more token into every running hypothesis.

    Args:
        rules: The `Rules` of this search.
        position: The position of the token, an integer or a scalar tensor.
        logits: `(batch * num_beams, vocabulary_size)`.
        state: A state as `initial_state` returns it.

    Returns:
        A tuple: the new state, and `(batch, num_beams)`, which of the beams
        each running hypothesis continues.
    """
    num_beams = state["scores"].shape[1]
    logits = ops.cast(logits, "float32")
    process = rules.process
    if process is not None:
        rows = ops.reshape(state["token_ids"], (-1, rules.prompt.max_length))
        process = lambda scores: rules.process(scores, rows, position)
    # Should they all end, as many are left to run on.
    count = num_beams * max(2, 1 + len(rules.end_ids))
    sums, parents, tokens = best_continuations(
        logits, state["scores"], count, process
    )
    ids = gather(state["token_ids"], parents)
    place = ops.arange(rules.prompt.max_length) == position
    ids = ops.where(place, tokens[:, :, None], ids)
    is_last = position >= rules.prompt.limits - 1
    ends = ops.logical_or(is_last[:, None], is_any_of(tokens, rules.end_ids))
    read = None
    if rules.stops is not None:
        read = gather(state["read"], parents)
        read = rules.stops.advance(read, tokens)
        ends = ops.logical_or(ends, rules.stops.is_found(read))

    waiting = (rules.prompt.lengths > position)[:, None]
    generated = position + 1 - rules.prompt.lengths
    # A complete row takes nothing more, however long the others go on: its
    # result does not depend on them.
    excluded = ops.logical_or(
        ops.logical_or(waiting, state["ended"][:, None]), ops.logical_not(ends)
    )
    finished_ids, finished_scores = _finish(
        state,
        ids[:, :num_beams],
        ops.where(excluded, -float("inf"), sums)[:, :num_beams]
        / penalty(generated, rules.length_penalty)[:, None],
    )
    running, chosen = ops.top_k(ops.where(ends, -float("inf"), sums), num_beams)
    # A longer prompt is still being fed: its beams stay as they are. Their
    # caches are all equal, so it does not matter which each continues.
    scores = ops.where(waiting, state["scores"], running)
    ended = ops.logical_or(
        is_last, _settled(rules, generated, scores, finished_scores)
    )
    if read is not None:
        read = ops.where(waiting, state["read"], gather(read, chosen))
    state = {
        **({} if read is None else {"read": read}),
        "token_ids": ops.where(
            waiting[:, :, None], state["token_ids"], gather(ids, chosen)
        ),
        "scores": scores,
        "finished_ids": finished_ids,
        "finished_scores": finished_scores,
        "ended": ops.logical_or(state["ended"], ended),
    }
    return state, gather(parents, chosen)


def best_continuations(logits, scores, count, process=None):
    """Ranks the continuations of all beams of a row by their sums.

    Args:
        logits: float32 `(batch * num_beams, vocabulary_size)`.
        scores: `(batch, num_beams)`, the sums so far.
        count: integer, how many continuations of a row are wanted.
        process: None, or a function of all log-probabilities, which gives what
            is added to the sums.

    Returns:
        A tuple of `(batch, count)`, best first: the sums, the beams they
        continue and the tokens they add.
    """
    num_beams = scores.shape[1]
    # The best of all are among the best of each beam, so the vocabulary is
    # ranked beam by beam and, without constraints, never copied as a whole.
    per_beam = min(count, logits.shape[-1])
    total = ops.logsumexp(logits, axis=-1, keepdims=True)
    if process is None:
        best, tokens = ops.top_k(logits, per_beam)
        best = best - total
    else:
        best, tokens = ops.top_k(process(logits - total), per_beam)
    sums = scores[:, :, None] + ops.reshape(best, (-1, num_beams, per_beam))
    sums, chosen = ops.top_k(
        ops.reshape(sums, (-1, num_beams * per_beam)),
        min(count, num_beams * per_beam),
    )
    chosen = ops.cast(chosen, "int32")
    tokens = ops.reshape(tokens, (-1, num_beams * per_beam))
    tokens = ops.cast(gather(tokens, chosen), "int32")
    return sums, chosen // per_beam, tokens


def penalty(generated, length_penalty):
    """What divides the sum of `generated` tokens: float32 `(batch,)`."""
    generated = ops.cast(ops.maximum(generated, 1), "float32")
    return ops.power(generated, float(length_penalty))


def gather(values, beams):
    """Picks `beams` `(batch, n)` from `(batch, num_beams, ...)`."""
    if len(values.shape) == 2:
        return ops.take_along_axis(values, beams, axis=1)
    batch_size, num_beams, length = ops.shape(values)
    flat = ops.reshape(values, (batch_size * num_beams, length))
    return ops.take(flat, _rows(beams, num_beams), axis=0)


def repeat(structure, num_beams):
    """Repeats every row of every tensor once for each beam."""
    return tree.map_structure(
        lambda x: None if x is None else ops.repeat(x, num_beams, axis=0),
        structure,
    )


def reorder(cache, parents):
    """Gives every beam the cache of the beam that it continues."""
    rows = ops.reshape(_rows(parents, parents.shape[1]), (-1,))
    return tree.map_structure(lambda x: ops.take(x, rows, axis=0), cache)


def _rows(beams, num_beams):
    first = ops.arange(ops.shape(beams)[0], dtype="int32") * num_beams
    return first[:, None] + beams


def _finish(state, ids, scores):
    num_beams = scores.shape[1]
    scores, chosen = ops.top_k(
        ops.concatenate([state["finished_scores"], scores], axis=1), num_beams
    )
    ids = ops.concatenate([state["finished_ids"], ids], axis=1)
    return gather(ids, chosen), scores


def _settled(rules, generated, scores, finished_scores):
    worst = finished_scores[:, -1]
    if rules.early_stopping is True:
        return worst > -float("inf")
    if rules.early_stopping is False:
        length, kept = generated, worst
    elif rules.length_penalty > 0:
        length = rules.prompt.limits - rules.prompt.lengths
        kept = worst if rules.keep_all else finished_scores[:, 0]
    else:
        length = generated + 1
        kept = worst if rules.keep_all else finished_scores[:, 0]
    bound = ops.max(scores, axis=1) / penalty(length, rules.length_penalty)
    return kept >= bound
