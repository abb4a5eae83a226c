"""The loop that all strategies share: one step of the model for one token."""

import keras
from keras import ops, tree

from keras_attention.generation.constraints import make_constraints, read_ids
from keras_attention.generation.logits_processors import make_processor
from keras_attention.generation.prompts import (
    check_ids,
    is_any_of,
    read_prompt,
)


def repeat_until_ended(body, position, max_length, state):
    """Applies `body` for one position after another until all rows ended.

    On TensorFlow and JAX the loop becomes one operation of the graph. PyTorch
    runs eagerly, where a Python loop lets `position` be a plain integer.

    Args:
        body: Function `(position, state) -> state`. It may change no shape and
            no type.
        position: The first position, an integer or a scalar tensor.
        max_length: The position at which the loop ends at the latest.
        state: Dictionary of tensors, or of nested dictionaries of them.
            `state["ended"]`, boolean `(batch,)`, says which rows are complete.

    Returns:
        The last state.
    """
    if keras.backend.backend() == "torch":
        while position < max_length and not bool(ops.all(state["ended"])):
            state = body(position, state)
            position += 1
        return state

    def unfinished(position, state):
        return ops.logical_and(
            position < max_length, ops.logical_not(ops.all(state["ended"]))
        )

    def advance(position, state):
        new_state = tree.map_structure(like, state, body(position, state))
        return position + 1, new_state

    position = ops.convert_to_tensor(position, "int32")
    return ops.while_loop(unfinished, advance, (position, state))[1]


def like(old, new):
    """`new` with the static shape of `old`.

    A TensorFlow loop refuses a state that knows less of its shape after a step
    than before.
    """
    return new if new.shape == old.shape else ops.reshape(new, ops.shape(old))


def make_rows(
    step,
    make_choose,
    prompt,
    *,
    max_length,
    end_id,
    padding_id=0,
    memory=None,
    prompt_lengths=None,
    prefill_length=None,
    **constraints,
):
    """Checks the arguments of a search without beams.

    Args:
        step, prompt, max_length, end_id, padding_id, memory, prompt_lengths,
            prefill_length, **constraints: as of `greedy_search`.
        make_choose: function from the `Prompt` to a function
            `(logits, position) -> token_ids`, from float32
            `(batch, vocabulary_size)` to int32 `(batch,)`.

    Returns:
        `Rows`.

    Raises:
        ValueError: if an argument does not fit the others.
    """
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
    process = make_processor(constraints, prompt, end_ids)
    choose = make_choose(prompt)
    return Rows(
        step,
        choose,
        prompt,
        end_ids,
        padding_id,
        memory,
        process,
        constraints.stops,
    )


class Rows:
    """A search that extends every row by one token at a time.

    Args:
        step: the model, `(token_ids, cache, memory, start) -> (logits, cache)`.
        choose: function `(logits, position) -> token_ids`.
        prompt: a `Prompt`.
        end_ids: tuple of the tokens that end a row.
        padding_id: the token that stands after the end.
        memory: what `step` reads besides, or None.
        process: None, or a function as `make_processor` makes it. A row that
            it leaves no token ends as it is.
        stops: `StopStrings`, or None.
    """

    def __init__(
        self, step, choose, prompt, end_ids, padding_id, memory, process, stops
    ):
        self._step, self._choose, self._process = step, choose, process
        self._stops = stops
        self._prompt, self._memory = prompt, memory
        self._end_ids, self._padding_id = end_ids, padding_id

    def run(self, cache):
        """Searches to the end.

        Args:
            cache: nested dictionary of batch-first tensors.

        Returns:
            A tuple `(token_ids, scores, generated)`: int32
            `(batch, max_length)`, the summed log-probabilities `(batch,)` of
            the generated tokens and their number, int32 `(batch,)`.
        """
        prompt, first = self._prompt, self._prompt.prefill_length
        fed = prompt.token_ids[:, :first]
        logits, cache = self._step(fed, cache, self._memory, 0)
        state = self._extend(first, logits, self.initial_state(cache))
        state = repeat_until_ended(
            self.advance, first + 1, prompt.max_length, state
        )
        return state["token_ids"], state["scores"], state["generated"]

    def initial_state(self, cache):
        """Gives the state before the first token is chosen."""
        lengths = self._prompt.lengths
        stops = self._stops
        read = {} if stops is None else {"read": stops.begin(lengths)}
        return {
            **read,
            "cache": cache,
            "token_ids": self._prompt.token_ids,
            "scores": ops.zeros_like(lengths, dtype="float32"),
            "generated": ops.zeros_like(lengths),
            "ended": lengths >= self._prompt.limits,
        }

    def advance(self, position, state):
        """Feeds the tokens before `position` and chooses those at it."""
        last = ops.take(state["token_ids"], position - 1, axis=1)[:, None]
        logits, cache = self._step(
            last, state["cache"], self._memory, position - 1
        )
        return self._extend(position, logits, {**state, "cache": cache})

    def _extend(self, position, logits, state):
        lengths, limits = self._prompt.lengths, self._prompt.limits
        ids = {"end_id": self._end_ids, "padding_id": self._padding_id}
        check_ids(logits.shape[-1], **ids)
        logits = ops.cast(logits, "float32")
        # A longer prompt is still being fed: its own tokens stay.
        active = ops.logical_and(
            lengths <= position, ops.logical_not(state["ended"])
        )
        allowed, ended = logits, state["ended"]
        if self._process is not None:
            allowed = self._process(logits, state["token_ids"], position)
            is_left = ops.any(allowed > -float("inf"), axis=1)
            allowed = ops.where(is_left[:, None], allowed, logits)
            stuck = ops.logical_and(active, ops.logical_not(is_left))
            ended = ops.logical_or(ended, stuck)
            active = ops.logical_and(active, is_left)
        chosen = self._choose(allowed, position)
        places = ops.arange(self._prompt.max_length)[None, :]
        place = ops.logical_and(places == position, active[:, None])
        ends = ops.logical_or(
            is_any_of(chosen, self._end_ids), position >= limits - 1
        )
        if self._stops is not None:
            read = self._stops.advance(state["read"], chosen)
            read = ops.where(active, read, state["read"])
            ends = ops.logical_or(ends, self._stops.is_found(read))
            state = {**state, "read": read}
        log_probability = ops.squeeze(
            ops.take_along_axis(logits, chosen[:, None], axis=1), axis=1
        ) - ops.logsumexp(logits, axis=1)
        return {
            **state,
            "token_ids": ops.where(place, chosen[:, None], state["token_ids"]),
            "scores": ops.where(
                active, state["scores"] + log_probability, state["scores"]
            ),
            "generated": state["generated"] + ops.cast(active, "int32"),
            "ended": ops.logical_or(ended, ops.logical_and(active, ends)),
        }
