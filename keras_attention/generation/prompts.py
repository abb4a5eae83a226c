"""Reading a batch of prompts, which may differ in length."""

import collections

import keras
import numpy as np
from keras import ops

from keras_attention.tensors import known_integer

Prompt = collections.namedtuple(
    "Prompt",
    ["token_ids", "lengths", "prefill_length", "max_length", "limits"],
)
Prompt.__doc__ = """A checked batch of prompts with room for what follows.

Attributes:
    token_ids: int32 tensor `(batch, max_length)`, `padding_id` after a prompt.
    lengths: int32 tensor `(batch,)`, how many tokens of each row are its own.
    prefill_length: How many tokens every row has for certain, and which are
        therefore fed in one call.
    max_length: Length of the result.
    limits: int32 tensor `(batch,)`, the greatest length of each row, which
        ends there: at most `max_length`.
"""


def concrete(values):
    """The NumPy array behind `values`, or None while a graph is traced."""
    try:
        return ops.convert_to_numpy(values)
    except (AttributeError, NotImplementedError, TypeError):
        return None


def read_prompt(
    prompt,
    *,
    max_length,
    padding_id,
    prompt_lengths=None,
    prefill_length=None,
    max_new_tokens=None,
):
    """Checks a right-padded prompt and makes room for `max_length` tokens.

    Args:
        prompt: Integer array `(batch, prompt_length)`.
        max_length: Length of the result, prompt included. An integer; inside a
            plain TensorFlow graph also a scalar tensor.
        padding_id: The token that stands after the end of a row.
        prompt_lengths: `(batch,)`, the length of each row. By default a row
            ends with its last token that is not `padding_id`, and its first
            token always counts: some models start with the padding id.
        prefill_length: Integer, at most the length of the shortest row. By
            default exactly that, which has to be known while a graph is
            traced, except in a plain TensorFlow graph.
        max_new_tokens: Integer, how many tokens follow a prompt at most, or
            None.

    Returns:
        A `Prompt`.

    Raises:
        ValueError: if the prompt is not a matrix of integers or does not fit
            into `max_length`, or if `prompt_lengths` or `prefill_length` do
            not fit the prompt.
    """
    prompt = _matrix_of_ids(prompt)
    width = prompt.shape[1]
    known = known_integer(max_length)
    if known is not None:
        max_length = known
        if width is not None and max_length < width:
            raise ValueError(
                "`max_length` counts the prompt and cannot be shorter than "
                f"it. Received: max_length={max_length}, a prompt of length "
                f"{width}"
            )
    lengths = _lengths(prompt, prompt_lengths, padding_id)
    prefill_length = _prefill_length(prefill_length, lengths, width)
    batch_size, width = ops.shape(prompt)
    room = ops.full((batch_size, max_length - width), padding_id, "int32")
    # Concatenation forgets a static length in a TensorFlow graph.
    token_ids = ops.reshape(
        ops.concatenate([prompt, room], axis=1), (batch_size, max_length)
    )
    own = ops.arange(max_length)[None, :] < lengths[:, None]
    token_ids = ops.where(own, token_ids, padding_id)
    limits = ops.zeros_like(lengths) + max_length
    if max_new_tokens is not None:
        limits = ops.minimum(limits, lengths + max_new_tokens)
    return Prompt(token_ids, lengths, prefill_length, max_length, limits)


def check_ids(vocabulary_size, **ids):
    """Raises ValueError for an id, given by its name, outside the vocabulary.

    Args:
        vocabulary_size: Integer.
        **ids: An id or several of them, by the argument's name.
    """
    for name, given in ids.items():
        for value in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(value, float) or not 0 <= value < vocabulary_size:
                raise ValueError(
                    f"`{name}` must be a token of the vocabulary, an integer "
                    f"from 0 to {vocabulary_size - 1}. Received: {name}={value}"
                )


def is_any_of(token_ids, ids):
    """Where tokens are one of some ids: boolean, of the same shape."""
    found = ops.zeros_like(token_ids, dtype="bool")
    for number in ids:
        found = ops.logical_or(found, token_ids == number)
    return found


def _matrix_of_ids(prompt):
    if not ops.is_tensor(prompt):
        prompt = np.asarray(prompt)
    dtype = keras.backend.standardize_dtype(prompt.dtype)
    if len(prompt.shape) != 2 or "int" not in dtype or prompt.shape[1] == 0:
        raise ValueError(
            "`prompt` must hold integers and have the shape "
            "(batch, prompt_length), with at least one token a row. "
            f"Received: shape {tuple(prompt.shape)}, dtype {dtype}"
        )
    return ops.convert_to_tensor(prompt, "int32")


def _lengths(prompt, lengths, padding_id):
    width = prompt.shape[1]
    if lengths is None:
        ends = ops.arange(1, ops.shape(prompt)[1] + 1)
        # A first token counts even as the padding id: T5 starts with it.
        return ops.max(
            ops.where(ops.not_equal(prompt, padding_id), ends, 1), axis=1
        )
    lengths = ops.convert_to_tensor(lengths, "int32")
    values = concrete(lengths)
    if values is None:
        return lengths
    if values.shape != (prompt.shape[0],):
        raise ValueError(
            "`prompt_lengths` must have one entry for each row of the prompt. "
            f"Received: shape {values.shape}, a prompt of {prompt.shape[0]} "
            "rows"
        )
    for row in np.flatnonzero((values < 1) | (values > width))[:1]:
        raise ValueError(
            f"`prompt_lengths` must lie from 1 to {width}. Received: a length "
            f"of {values[row]} in row {row}"
        )
    return lengths


def _prefill_length(prefill_length, lengths, width):
    values = concrete(lengths)
    if prefill_length is None:
        if values is not None:
            return int(values.min())
        if width == 1:
            return 1
        if keras.backend.backend() == "tensorflow":
            return ops.min(lengths)
        raise ValueError(
            "`prefill_length`, the length of the shortest prompt, must be "
            "given while the graph is traced, since the values of the prompt "
            "are not known then. Received: prefill_length=None"
        )
    shortest = width if values is None else int(values.min())
    if prefill_length < 1 or (shortest and prefill_length > shortest):
        raise ValueError(
            "`prefill_length` must be from 1 to the length of the shortest "
            f"prompt, {shortest}. Received: prefill_length={prefill_length}"
        )
    return prefill_length


def read_source(source):
    """Makes a tensor of what an encoder reads: int32 ids, or floats."""
    if not ops.is_tensor(source):
        source = np.asarray(source)
    is_integer = "int" in keras.backend.standardize_dtype(source.dtype)
    return ops.convert_to_tensor(
        source, "int32" if is_integer else keras.config.floatx()
    )


def check_embedded(model, ids):
    """Refuses ids that the embedding of a model, or of its part, lacks."""
    # Here, since a compiled function cannot look at values.
    check = getattr(getattr(model, "embedding", None), "check_ids", None)
    if check is not None:
        check(ids)
