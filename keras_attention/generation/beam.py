"""Beam search."""

import math

from keras import ops

from keras_attention.checks import check_boolean, is_real
from keras_attention.generation import beam_state
from keras_attention.generation.constraints import make_constraints, read_ids
from keras_attention.generation.greedy import most_probable
from keras_attention.generation.logits_processors import make_processor
from keras_attention.generation.loop import Rows, repeat_until_ended
from keras_attention.generation.prompts import check_ids, read_prompt

# The widest beams in print are of some thousands. A million of a model so small
# that its caches fit would go on for minutes before anybody saw the typing
# error.
MOST_BEAMS = 10_000


def beam_search(
    step,
    cache,
    prompt,
    *,
    max_length,
    end_id,
    num_beams,
    length_penalty=1.0,
    early_stopping=False,
    return_all_beams=False,
    padding_id=0,
    memory=None,
    prompt_lengths=None,
    prefill_length=None,
    **constraints,
):
    """Searches for the most probable continuations with a beam of hypotheses.

    Each row keeps `num_beams` running hypotheses. At each position their best
    `2 * num_beams` continuations (with `n` end tokens `(1 + n) * num_beams`)
    are ranked by summed log-probability. Those of the first `num_beams` that
    end leave the beam with the score

        sum of log-probabilities / (number of new tokens ** length_penalty)

    (the end token counts) and compete for the finished set; the best
    `num_beams` that do not end run on. At `max_length` the hypotheses still
    running count as ended. A single beam is greedy search.

    What the constraints rule out is no continuation; the log-probabilities of
    the others stay those of the model, but for a repetition penalty, and that
    of a forced token is 0. A hypothesis that they leave no token is lost. (A
    single beam ends there as it is, and its score is that of the model alone.)

    `early_stopping` says when a row is complete. True: as soon as `num_beams`
    hypotheses have ended. False: when the worst of them also scores at least
    what the best running one has per token so far, `S / n ** length_penalty`
    with its sum `S` and its number of new tokens `n`; a longer descendant may
    still have scored more. `"never"`: when going on could not change the
    result, which is then that of a search to `max_length`: `n` is replaced by
    the largest number of new tokens that `max_length` allows if
    `length_penalty` is positive and the number at the next position otherwise,
    and it suffices that the best finished score reaches the bound (with
    `return_all_beams`, the worst).

    Args:
        step: The model, `(token_ids, cache, memory, start) -> (logits, cache)`,
            as in `greedy_search`. It is first called with `batch` rows, for the
            prompt, and then with `batch * num_beams`.
        cache: Nested dictionary of tensors whose first axis is the batch.
        prompt: Integers `(batch, prompt_length)`, padded on the right.
        max_length: Integer, the length of the result, prompt included. Inside
            a plain TensorFlow graph it may be a scalar tensor.
        end_id: Integer or a list of them, the tokens that end a hypothesis, or
            None.
        num_beams: Integer from 1 to 10,000.
        length_penalty: Number, the exponent of the length. 0 compares sums, 1
            means per token; higher values favour longer results.
        early_stopping: True, False or `"never"`, as above.
        return_all_beams: Whether to return the whole finished set.
        padding_id: Integer, the token after the end of a row.
        memory: None, or what `step` reads besides, for `batch` rows. It is
            repeated for the beams once and never reordered.
        prompt_lengths: `(batch,)`, the length of each prompt, as in
            `greedy_search`.
        prefill_length: Integer, as in `greedy_search`.
        **constraints: Arguments of `Constraints`: `min_length`,
            `max_new_tokens`, `forced_last_id` and so on.

    Returns:
        A dictionary: `"token_ids"`, int32 `(batch, max_length)`, and
        `"scores"`, float32 `(batch,)`, the score above. With
        `return_all_beams`, `(batch, num_beams, max_length)` and
        `(batch, num_beams)`, the best first; where fewer hypotheses exist, the
        rest are the bare prompt with a score of minus infinity. So is the one
        result where all were lost.

    Raises:
        ValueError: if an argument is out of its range or does not fit the
            others.

    Reference:
        - [Wu et al., 2016, Google's Neural Machine Translation System](
          https://arxiv.org/abs/1609.08144) (beam search with a length penalty;
          the plain power of the length is the form most libraries use)
    """
    check_beams(num_beams, length_penalty, early_stopping, return_all_beams)
    constraints = make_constraints(max_length, **constraints)
    end_ids = read_ids("end_id", end_id)
    prompt = read_prompt(
        prompt,
        max_length=max_length,
        padding_id=padding_id,
        prompt_lengths=prompt_lengths,
        prefill_length=prefill_length,
        max_new_tokens=constraints.max_new_tokens,
    )
    process = make_processor(constraints, prompt, end_ids, num_beams)
    if num_beams == 1:
        rows = Rows(
            step,
            most_probable,
            prompt,
            end_ids,
            padding_id,
            memory,
            process,
            constraints.stops,
        )
        token_ids, scores, generated = rows.run(cache)
        scores = scores / beam_state.penalty(generated, length_penalty)
        token_ids, scores = token_ids[:, None], scores[:, None]
    else:
        token_ids, scores = _search(
            step,
            cache,
            prompt,
            beam_state.Rules(
                prompt,
                end_ids,
                length_penalty,
                early_stopping,
                return_all_beams,
                process,
                constraints.stops,
            ),
            num_beams,
            padding_id,
            memory,
        )
    if not return_all_beams:
        token_ids, scores = token_ids[:, 0], scores[:, 0]
    return {"token_ids": token_ids, "scores": scores}


def check_beams(
    num_beams=None,
    length_penalty=1.0,
    early_stopping=False,
    return_all_beams=False,
):
    """Raises ValueError for a setting out of its range."""
    if type(num_beams) is not int or not 1 <= num_beams <= MOST_BEAMS:
        raise ValueError(
            f"`num_beams` must be an integer from 1 to {MOST_BEAMS}. "
            f"Received: num_beams={num_beams!r}"
        )
    if not is_real(length_penalty) or not math.isfinite(length_penalty):
        raise ValueError(
            "`length_penalty` must be a finite number. "
            f"Received: length_penalty={length_penalty!r}"
        )
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise ValueError(
            "`early_stopping` must be True, False or 'never'. "
            f"Received: early_stopping={early_stopping!r}"
        )
    check_boolean("return_all_beams", return_all_beams)


def _search(step, cache, prompt, rules, num_beams, padding_id, memory):
    first = prompt.prefill_length

    def body(position, state):
        last = ops.take(state["token_ids"], position - 1, axis=2)
        last = ops.reshape(last, (-1, 1))
        logits, cache = step(last, state["cache"], memory, position - 1)
        state, parents = beam_state.advance(rules, position, logits, state)
        return {**state, "cache": beam_state.reorder(cache, parents)}

    logits, cache = step(prompt.token_ids[:, :first], cache, memory, 0)
    check_ids(logits.shape[-1], end_id=rules.end_ids, padding_id=padding_id)
    logits, cache, memory = beam_state.repeat(
        (logits, cache, memory), num_beams
    )
    state, _ = beam_state.advance(
        rules, first, logits, beam_state.initial_state(rules, num_beams)
    )
    state["cache"] = cache
    state = repeat_until_ended(body, first + 1, prompt.max_length, state)
    scores = state["finished_scores"]
    missing = ops.equal(scores, -float("inf"))[:, :, None]
    token_ids = ops.where(
        missing, prompt.token_ids[:, None, :], state["finished_ids"]
    )
    return token_ids, scores
