"""The loop that all strategies share: one step of the model for one token."""

import keras
from keras import ops, tree

from keras_attention.generation.prompts import check_ids, is_any_of


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


def decode_rows(
    step, choose, cache, prompt, *, end_ids, padding_id, memory, process=None
):
    """Extends every row by one token at a time.

    Args:
        step: The model, `(token_ids, cache, memory, start) -> (logits, cache)`.
        choose: Function `(logits, position) -> token_ids`, from float32
            `(batch, vocabulary_size)` to int32 `(batch,)`.
        cache: Nested dictionary of batch-first tensors.
        prompt: A `Prompt`.
        end_ids: Tuple of the tokens that end a row.
        padding_id: The token that stands after the end.
        memory: What `step` reads besides, or None.
        process: None, or a function as `make_processor` makes it. A row that
            it leaves no token ends as it is.

    Returns:
        A tuple `(token_ids, scores, generated)`: int32 `(batch, max_length)`,
        the summed log-probabilities `(batch,)` of the generated tokens and
        their number, int32 `(batch,)`.
    """
    token_ids, lengths, first, max_length, limits = prompt
    positions = ops.arange(max_length)[None, :]

    def extend(position, logits, cache, state):
        logits = ops.cast(logits, "float32")
        # A longer prompt is still being fed: its own tokens stay.
        active = ops.logical_and(
            lengths <= position, ops.logical_not(state["ended"])
        )
        allowed, ended = logits, state["ended"]
        if process is not None:
            allowed = process(logits, state["token_ids"], position)
            is_left = ops.any(allowed > -float("inf"), axis=1)
            allowed = ops.where(is_left[:, None], allowed, logits)
            stuck = ops.logical_and(active, ops.logical_not(is_left))
            ended = ops.logical_or(ended, stuck)
            active = ops.logical_and(active, is_left)
        chosen = choose(allowed, position)
        place = ops.logical_and(positions == position, active[:, None])
        ends = ops.logical_or(
            is_any_of(chosen, end_ids), position >= limits - 1
        )
        log_probability = ops.squeeze(
            ops.take_along_axis(logits, chosen[:, None], axis=1), axis=1
        ) - ops.logsumexp(logits, axis=1)
        return {
            "cache": cache,
            "token_ids": ops.where(place, chosen[:, None], state["token_ids"]),
            "scores": ops.where(
                active, state["scores"] + log_probability, state["scores"]
            ),
            "generated": state["generated"] + ops.cast(active, "int32"),
            "ended": ops.logical_or(ended, ops.logical_and(active, ends)),
        }

    def body(position, state):
        last = ops.take(state["token_ids"], position - 1, axis=1)[:, None]
        logits, cache = step(last, state["cache"], memory, position - 1)
        return extend(position, logits, cache, state)

    logits, cache = step(token_ids[:, :first], cache, memory, 0)
    check_ids(logits.shape[-1], end_id=end_ids, padding_id=padding_id)
    state = {
        "token_ids": token_ids,
        "scores": ops.zeros_like(lengths, dtype="float32"),
        "generated": ops.zeros_like(lengths),
        "ended": lengths >= limits,
    }
    state = extend(first, logits, cache, state)
    state = repeat_until_ended(body, first + 1, max_length, state)
    return state["token_ids"], state["scores"], state["generated"]
