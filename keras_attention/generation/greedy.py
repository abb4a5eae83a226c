"""Greedy search."""

from keras import ops

from keras_attention.generation.constraints import make_forbid
from keras_attention.generation.loop import decode_rows
from keras_attention.generation.prompts import read_prompt


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
    min_length=0,
    no_repeat_ngram_size=0,
):
    """Extends every prompt by the most probable token until it ends.

    All rows advance together, one position at a time: the tokens that every
    prompt has are fed in one call, and a longer prompt is then fed its own
    tokens until they run out. The loop stops when every row has ended. A row
    that `min_length` and `no_repeat_ngram_size` leave no token ends as it is.

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
        end_id: Integer, the token that ends a row. With None no row ends
            before `max_length`.
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
        min_length: Integer, at most `max_length`: the end token cannot come
            before the result has so many tokens, prompt included. 0 for no
            minimum.
        no_repeat_ngram_size: Integer `n`: no sequence of `n` tokens comes twice
            in a result, prompt included. 0 to let them.

    Returns:
        A dictionary: `"token_ids"`, int32 `(batch, max_length)`, the prompt and
        what follows, up to the end token and then `padding_id`; `"scores"`,
        float32 `(batch,)`, the summed log-probabilities of the new tokens,
        under the model itself, before any are ruled out.

    Raises:
        ValueError: if an argument does not fit the others.
    """
    prompt = read_prompt(
        prompt,
        max_length=max_length,
        padding_id=padding_id,
        prompt_lengths=prompt_lengths,
        prefill_length=prefill_length,
    )
    forbid = make_forbid(
        prompt.max_length, end_id, min_length, no_repeat_ngram_size
    )
    token_ids, scores, _ = decode_rows(
        step,
        most_probable,
        cache,
        prompt,
        end_id=end_id,
        padding_id=padding_id,
        memory=memory,
        forbid=forbid,
    )
    return {"token_ids": token_ids, "scores": scores}


def most_probable(logits, position):
    """The first token `(batch,)` with the highest of `(batch, vocabulary)`."""
    # Not `argmax`: XLA does not vectorize it on a CPU, where it takes three
    # times as long.
    size = ops.shape(logits)[-1]
    highest = logits == ops.max(logits, axis=-1, keepdims=True)
    places = ops.where(highest, ops.arange(size, dtype="int32"), size - 1)
    return ops.min(places, axis=-1)
