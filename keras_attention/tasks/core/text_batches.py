"""Texts as batches of token ids."""

import reprlib
import warnings

import keras
import numpy as np

from keras_attention.data.tokenizers.texts import is_blank

# Under XLA every new shape is compiled, so lengths are rounded up to a
# multiple of this, and row counts to a power of two.
_LENGTH_MULTIPLE = 16


def encode_texts(tokenizer, texts, max_length, setting="max_source_length"):
    """Splits texts into ids with their end, and cuts what is too long.

    Args:
        tokenizer: a `Tokenizer`. The template of a published one takes the
            place of the end id.
        texts: list of strings.
        max_length: integer, tokens of a text at most, special ones included.
        setting: what `max_length` is called in the warning.

    Returns:
        A list of lists of integers. One warning counts the texts that were
        cut.

    Raises:
        ValueError: if `texts` holds something that is not a string of
            Unicode characters.
    """
    check_texts(texts)
    rows = encode_visible(tokenizer, texts)
    limit = max_length - tokenizer.num_special_tokens()
    num_cut = sum(len(row) > limit for row in rows)
    warn_of_cut(num_cut, len(rows), f"{setting}={max_length}", stacklevel=4)
    if tokenizer.templates is not None:
        cut = (row[:limit] for row in rows)
        return [tokenizer.with_special_tokens(row)[0] for row in cut]
    return [[*row[:limit], tokenizer.end_id] for row in rows]


def check_texts(texts, name="texts"):
    """Raises ValueError where a list holds what is no text.

    Args:
        texts: list, of which each item is to be a string of Unicode
            characters.
        name: what the error message calls it.
    """
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"{name} must be a string or a list of strings. Received: "
                f"{reprlib.repr(text)} at index {index}"
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{name} must be valid Unicode. Received: "
                f"{reprlib.repr(text)} at index {index} ({error.reason})"
            ) from None


def warn_of_cut(num_cut, count, limit, stacklevel=3):
    """Warns where texts were cut, and counts them.

    Args:
        num_cut: integer, how many were cut.
        count: integer, how many there are.
        limit: string, the setting and its number.
        stacklevel: as of `warnings.warn`.
    """
    if num_cut:
        warnings.warn(
            f"Cut {num_cut} of {count} texts to {limit} tokens.",
            stacklevel=stacklevel,
        )


def encode_visible(tokenizer, texts):
    """Splits texts into ids; a blank one, of NULs for example, has none.

    Args:
        tokenizer: a `Tokenizer`.
        texts: list of strings.

    Returns:
        A list of lists of integers.
    """
    texts = ["" if is_blank(text) else text for text in texts]
    return tokenizer.encode(texts) if texts else []


def decode_outputs(tokenizer, token_ids):
    """Turns generated ids into text.

    Args:
        tokenizer: the `Tokenizer` of the target.
        token_ids: integers `(batch, length)`, start, end and padding
            included.

    Returns:
        A list of strings.
    """
    # A model may know more ids than its tokenizer has pieces.
    replaced = tokenizer.unknown_id
    if replaced < 0:
        replaced = tokenizer.end_id
    known = token_ids < tokenizer.vocabulary_size
    # The start may be the end id.
    outputs = np.where(known, token_ids, replaced)[:, 1:]
    rows = []
    for row in outputs:
        ends = np.flatnonzero(row == tokenizer.end_id)
        rows.append(row[: ends[0]] if len(ends) else row)
    return tokenizer.decode(rows) if rows else []


def in_batches(rows, batch_size):
    """Groups rows of like length, so that little padding is read.

    Args:
        rows: list of sequences.
        batch_size: integer, rows of a group at most.

    Yields:
        Integer arrays of indices into `rows`.
    """
    order = np.argsort([len(row) for row in rows], kind="stable")
    for first in range(0, len(rows), batch_size):
        yield order[first : first + batch_size]


def pad(rows, padding_id, shape=None):
    """Makes one array of rows.

    Args:
        rows: list of lists of integers, not empty.
        padding_id: integer, what stands after the end of a row.
        shape: `(count, length)` of the result, by default as the rows are.
            Rows that are missing repeat the first.

    Returns:
        int32 array `(count, length)`.
    """
    # Keras warns of a softmax over a single key.
    count, length = shape or (len(rows), max(2, *(len(row) for row in rows)))
    batch = np.full((count, length), padding_id, "int32")
    for index in range(count):
        # A filler of padding alone could run on and hold up the others.
        row = rows[index] if index < len(rows) else rows[0]
        batch[index, : len(row)] = row
    return batch


def rounded_shape(rows, batch_size, max_length):
    """Chooses one of the few shapes that a compiled search is used with.

    Args:
        rows: list of lists of integers, not empty.
        batch_size: integer that bounds the count.
        max_length: integer that bounds the length.

    Returns:
        `(count, length)`, at least those of `rows`.
    """
    length = max(len(row) for row in rows)
    length = -(-length // _LENGTH_MULTIPLE) * _LENGTH_MULTIPLE
    count = 1 << (len(rows) - 1).bit_length()
    return min(count, batch_size), min(length, max_length)


def compiles_shapes():
    """Whether every new shape of a batch takes a compilation."""
    return keras.backend.backend() == "jax"
