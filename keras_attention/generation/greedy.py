"""Greedy search."""

from keras import ops

from keras_attention.generation.loop import make_rows


def greedy_search(
    step,
    cache,
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
    """Extends every prompt by the most probable token until it ends.

    All rows advance together, one position at a time: the tokens that every
    prompt has are fed in one call, and a longer prompt is then fed its own
    tokens until they run out. The loop stops when every row has ended. A row
    that its constraints leave no token ends as it is.

    Args:
        step: The model, `(token_ids, cache, memory, start) -> (logits, cache)`.
            `token_ids` is int32 `(batch, n)`, `start` the position of the first
            of them, an integer or a scalar tensor; `logits` is
            `(batch, vocabulary_size)`, for the token after the last one fed.
        cache: Nested dictionary of batch-first tensors, as `step` takes it for
            `start=0`.
        prompt: Integers `(batch, prompt_length)`, padded on the right.
        max_length: Integer, the length of the result, prompt included. Inside
            a plain TensorFlow graph it may be a scalar tensor.
        end_id: Integer or a list of them, the tokens that end a row. With
            None no row ends before `max_length`.
        padding_id: Integer, the token after the end of a row.
        memory: None, or a nested dictionary of batch-first tensors that `step`
            reads and does not change.
        prompt_lengths: `(batch,)`, the length of each prompt. By default a
            prompt ends with its last token that is not `padding_id`, and its
            first token always counts.
        prefill_length: Integer, how many tokens to feed in the first call, at
            most the length of the shortest prompt. By default that length; to
            be given where the prompt's values are not known, under `jax.jit`
            and under `tf.function(jit_compile=True)`.
        **constraints: Arguments of `Constraints`: `min_length`,
            `max_new_tokens`, `repetition_penalty` and so on.

    Returns:
        A dictionary: `"token_ids"`, int32 `(batch, max_length)`, the prompt and
        what follows, up to the end token and then `padding_id`; `"scores"`,
        float32 `(batch,)`, the summed log-probabilities of the new tokens,
        under the model itself, before any are penalized, ruled out or forced.

    Raises:
        ValueError: if an argument does not fit the others.
    """
    rows = make_rows(
        step,
        choose_most_probable,
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


def choose_most_probable(prompt):
    """Gives the function that chooses as greedy search does."""
    return most_probable


def most_probable(logits, position):
    """The first token `(batch,)` with the highest of `(batch, vocabulary)`."""
    # Not `argmax`: XLA does not vectorize it on a CPU, where it takes three
    # times as long.
    size = ops.shape(logits)[-1]
    highest = logits == ops.max(logits, axis=-1, keepdims=True)
    places = ops.where(highest, ops.arange(size, dtype="int32"), size - 1)
    return ops.min(places, axis=-1)
