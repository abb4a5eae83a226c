"""Sampling with a temperature, from the top k or the nucleus."""

import functools
import math

from keras import ops

from keras_attention.checks import is_real
from keras_attention.generation.loop import make_rows
from keras_attention.generation.uniform import uniform


def sample(
    step,
    cache,
    prompt,
    *,
    max_length,
    end_id,
    seed,
    temperature=1.0,
    top_k=None,
    top_p=None,
    min_p=None,
    padding_id=0,
    memory=None,
    prompt_lengths=None,
    prefill_length=None,
    **constraints,
):
    """Extends every prompt by tokens drawn from the model's distribution.

    Constraints come first. The logits are divided by `temperature`, then
    everything outside the `top_k` most probable tokens is dropped, then
    everything outside the smallest set that holds a probability of `top_p`,
    then what is less probable than `min_p` times the most probable. Where
    several tokens are exactly as probable as the last one kept, all of them are
    kept, so the result does not depend on how a backend orders equals.

    One uniform number for each row and position is drawn from `seed` before the
    loop, and the inverse of the cumulative distribution maps it to a token.

    Args:
        step: The model, `(token_ids, cache, memory, start) -> (logits, cache)`,
            as in `greedy_search`.
        cache: Nested dictionary of batch-first tensors.
        prompt: Integers `(batch, prompt_length)`, padded on the right.
        max_length: Integer, the length of the result, prompt included.
        end_id: Integer or a list of them, the tokens that end a row, or None.
        seed: An integer, a `keras.random.SeedGenerator`, or a tensor `(2,)` as
            its `next()` returns it, which can be an argument of a compiled
            function. The same seed gives the same draws, on every backend.
            With integers `(batch, 2)`, one seed a row, what a row becomes does
            not depend on its place.
        temperature: Positive number. Small values sharpen the distribution
            towards greedy search.
        top_k: Integer, or None to keep the whole vocabulary.
        top_p: Number above 0 and at most 1, or None to keep everything.
        min_p: Number from 0 to 1, or None to keep everything.
        padding_id: Integer, the token after the end of a row.
        memory: None, or what `step` reads besides.
        prompt_lengths: `(batch,)`, the length of each prompt, as in
            `greedy_search`.
        prefill_length: Integer, as in `greedy_search`.
        **constraints: Arguments of `Constraints`.

    Returns:
        A dictionary: `"token_ids"`, int32 `(batch, max_length)`; `"scores"`,
        float32 `(batch,)`, the summed log-probabilities of the new tokens
        under the model itself, before anything is dropped.

    Raises:
        ValueError: if an argument is out of its range or does not fit the
            others.

    Reference:
        - [Fan et al., 2018, Hierarchical Neural Story Generation](
          https://arxiv.org/abs/1805.04833) (top k)
        - [Holtzman et al., 2020, The Curious Case of Neural Text
          Degeneration](https://arxiv.org/abs/1904.09751) (nucleus)
        - [Nguyen et al., 2024, Turning Up the Heat: Min-p Sampling](
          https://arxiv.org/abs/2407.01082)
    """
    make_choose = functools.partial(
        choose_by_drawing,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
    )
    rows = make_rows(
        step,
        make_choose,
        prompt,
        max_length=max_length,
        end_id=end_id,
        padding_id=padding_id,
        memory=memory,
        prompt_lengths=prompt_lengths,
        prefill_length=prefill_length,
        **constraints,
    )
    token_ids, scores, _ = rows.run(cache)
    return {"token_ids": token_ids, "scores": scores}


def choose_by_drawing(
    prompt, *, seed, temperature=1.0, top_k=None, top_p=None, min_p=None
):
    """Makes the function that draws a token for each row.

    Args:
        prompt: the `Prompt`.
        seed, temperature, top_k, top_p, min_p: as of `sample`.

    Returns:
        A function `(logits, position) -> token_ids`.

    Raises:
        ValueError: if a setting is out of its range.
    """
    check_sampling(temperature, top_k, top_p, min_p)
    noise = uniform(seed, ops.shape(prompt.token_ids)[0], prompt.max_length)

    def choose(logits, position):
        logits = temper(logits, temperature)
        if top_k is not None:
            logits = keep_top_k(logits, top_k)
        if top_p is not None:
            logits = keep_top_p(logits, top_p)
        if min_p is not None:
            logits = keep_min_p(logits, min_p)
        return draw(logits, ops.take(noise, position, axis=1))

    return choose


# Backends take smaller numbers for zero.
_SMALLEST = 1e-37


def temper(logits, temperature):
    """`logits` divided by `temperature`, the highest being 0."""
    # Subtracting first keeps a tiny temperature from overflowing.
    highest = ops.max(logits, axis=-1, keepdims=True)
    return (logits - highest) / max(temperature, _SMALLEST)


def keep_top_k(logits, k):
    """Sets all but the `k` highest of `(batch, vocabulary)` to minus infinity.

    Tokens equal to the k-th are kept as well.
    """
    highest = ops.top_k(logits, min(k, logits.shape[-1]))[0]
    return ops.where(logits < highest[:, -1:], -float("inf"), logits)


def keep_top_p(logits, p):
    """Sets all outside the nucleus of `(batch, vocabulary)` to minus infinity.

    The nucleus is the smallest set of most probable tokens whose probabilities
    sum to at least `p`, with all tokens equal to its least probable one.
    """
    if p == 1:
        return logits
    probabilities = ops.softmax(logits, axis=-1)
    descending = ops.flip(ops.sort(probabilities, axis=-1), axis=-1)
    before = ops.cumsum(descending, axis=-1) - descending
    inside = ops.where(before < max(p, _SMALLEST), descending, 2.0)
    lowest = ops.min(inside, axis=-1, keepdims=True)
    return ops.where(probabilities < lowest, -float("inf"), logits)


def keep_min_p(logits, p):
    """Sets all below `p` times the highest probability to minus infinity."""
    probabilities = ops.softmax(logits, axis=-1)
    lowest = p * ops.max(probabilities, axis=-1, keepdims=True)
    return ops.where(probabilities < lowest, -float("inf"), logits)


def draw(logits, uniform):
    """Draws by the inverse of the cumulative distribution.

    Args:
        logits: `(batch, vocabulary)`.
        uniform: `(batch,)`, numbers from 0 up to 1.

    Returns:
        int32 `(batch,)`, never a token whose logit is minus infinity.
    """
    probabilities = ops.softmax(logits, axis=-1)
    cumulative = ops.cumsum(probabilities, axis=-1)
    threshold = uniform[:, None] * cumulative[:, -1:]
    reached = ops.logical_and(cumulative > threshold, probabilities > 0)
    # Sums taken in parallel are rounded differently from place to place: one
    # may grow where nothing was added, or none exceed the threshold.
    token_ids = ops.where(
        ops.any(reached, axis=-1),
        ops.argmax(ops.cast(reached, "int32"), axis=-1),
        ops.argmax(probabilities, axis=-1),
    )
    return ops.cast(token_ids, "int32")


def check_sampling(temperature=1.0, top_k=None, top_p=None, min_p=None):
    """Raises ValueError for a setting out of its range."""
    if not is_real(temperature) or not 0 < temperature < math.inf:
        raise ValueError(
            "`temperature` must be a finite number above 0 (use "
            "`greedy_search` for its limit). "
            f"Received: temperature={temperature!r}"
        )
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise ValueError(
            "`top_k` must be an integer of at least 1, or None. "
            f"Received: top_k={top_k!r}"
        )
    if top_p is not None and (not is_real(top_p) or not 0 < top_p <= 1):
        raise ValueError(
            "`top_p` must be a number above 0 and at most 1, or None. "
            f"Received: top_p={top_p!r}"
        )
    if min_p is not None and (not is_real(min_p) or not 0 <= min_p <= 1):
        raise ValueError(
            "`min_p` must be a number from 0 to 1, or None. "
            f"Received: min_p={min_p!r}"
        )
