"""Spaces cut off the places of byte-level pieces. It imports TensorFlow.

It does what the `post_processor` of GPT-2 and RoBERTa does, which counts each
space of a piece as one character of the text.
"""

import tensorflow as tf

from keras_attention.data.tokenizers.byte_level import CHARACTERS

KINDS = ("ByteLevel", "RobertaProcessing")
SPACE = CHARACTERS[ord(" ")]


def trimming(processor, pieces):
    """Makes what a `post_processor` does to places.

    Args:
        processor: dictionary, as a `tokenizer.json` holds it, or None.
        pieces: list of strings, those of all ids.

    Returns:
        A function from `(ids, firsts, behinds)` to the same, of ragged
        `(batch, None)`, or None where it does nothing.
    """
    processor = processor or {}
    steps = processor.get("processors", [processor])
    found = [
        Trimming(pieces, step.get("add_prefix_space", True))
        for step in steps
        if step.get("type") in KINDS and step.get("trim_offsets", True)
    ]
    return found[0] if found else None


class Trimming(tf.Module):
    """Cuts the spaces of pieces off their places.

    Args:
        pieces: list of strings, those of all ids.
        adds_space: boolean, whether a space before a text is none of its own.
    """

    def __init__(self, pieces, adds_space):
        super().__init__()
        leading = [_count(piece) for piece in pieces]
        trailing = [_count(reversed(piece)) for piece in pieces]
        self._leading = tf.constant(leading, tf.int64)
        self._trailing = tf.constant(trailing, tf.int64)
        self._adds_space = adds_space

    def __call__(self, ids, firsts, behinds):
        first, behind = firsts.flat_values, behinds.flat_values
        leading = tf.gather(self._leading, ids.flat_values)
        if self._adds_space:
            places = tf.ragged.range(ids.row_lengths()).flat_values
            leading = tf.where((places > 0) & (first > 0), leading, 0)
        first = tf.minimum(first + leading, behind)
        trailing = tf.gather(self._trailing, ids.flat_values)
        trailing = tf.where(behind >= trailing, trailing, 0)
        behind = tf.maximum(behind - trailing, first)
        return ids, ids.with_flat_values(first), ids.with_flat_values(behind)


def _count(characters):
    number = 0
    for character in characters:
        if character != SPACE and not character.isspace():
            break
        number += 1
    return number
