"""Texts as what an encoder takes, in a graph. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.data.tokenizers.base import FIRST, SECOND
from keras_attention.export.graph_parts import (
    Hidden,
    in_template,
    visible,
    warn_of_too_long,
)
from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph


class TextRows(tf.Module):
    """Does in a graph what `TextInputs` does.

    Args:
        inputs: the `TextInputs` of a task.
    """

    def __init__(self, inputs):
        super().__init__()
        self.tokenizer = tokenizer_in_graph(inputs.tokenizer)
        self._inputs = Hidden(inputs)

    def encode(self, first, second=None):
        """Turns texts, or pairs of them, into rows, and cuts long ones.

        Args:
            first: strings `(batch,)`.
            second: the same, or None.

        Returns:
            A dictionary of ragged int32 `token_ids` and, for an encoder that
            has them, `segment_ids`, both `(batch, None)`.
        """
        inputs = self._inputs.value
        room = inputs.room(second is not None)
        ids = {FIRST: self.ids(first)}
        if second is not None:
            ids[SECOND] = self.ids(second)
        lengths = [rows.row_lengths() for rows in ids.values()]
        warn_of_too_long(
            tf.add_n(lengths) > room, f"max_length={inputs.max_length}"
        )
        if second is None:
            ids[FIRST] = ids[FIRST][:, :room]
        else:
            shares = _shares(*lengths, room)
            for name, share in zip(ids, shares, strict=True):
                ids[name] = _first_of_each(ids[name], share)
        return self.in_template(ids)

    def ids(self, text):
        """Gives ragged int32 ids of texts, without special ones and uncut."""
        return self.tokenizer.tokenize(self._shown(text))

    def _shown(self, text):
        """Gives texts as they are tokenized."""
        if self._inputs.value.tokenizer.templates is None:
            return visible(text)
        return text

    def in_template(self, ids):
        """Puts the special tokens around ids.

        Args:
            ids: dictionary of ragged int32 ids `(batch, None)`, `FIRST` and,
                for pairs, `SECOND`.

        Returns:
            As `encode`.
        """
        inputs = self._inputs.value
        name = "pair" if SECOND in ids else "single"
        if inputs.tokenizer.templates is None:
            template = [(inputs.tokenizer.start_id, 0), (FIRST, 0)]
        else:
            template = inputs.tokenizer.templates[name]
        parts = in_template(ids, template)
        rows = {"token_ids": tf.concat(parts, axis=1)}
        if inputs.has_segments:
            segments = [
                part * 0 + segment
                for part, (_, segment) in zip(parts, template, strict=True)
            ]
            rows["segment_ids"] = tf.concat(segments, axis=1)
        return rows

    def batch(self, rows, first, behind):
        """Makes what the model takes of some rows.

        Args:
            rows: from `encode`.
            first, behind: integers, the first row and the one behind the
                last.

        Returns:
            A dictionary as of `TextInputs.batches`.
        """
        fill = {"token_ids": self._inputs.value.padding_id}
        rows = {name: x[first:behind] for name, x in rows.items()}
        batch = {name: _dense(x, fill.get(name, 0)) for name, x in rows.items()}
        batch["padding_mask"] = tf.sequence_mask(
            rows["token_ids"].row_lengths(), tf.shape(batch["token_ids"])[1]
        )
        return batch


def _dense(rows, fill):
    rows = rows.to_tensor(fill)
    # Keras warns of a softmax over a single key.
    more = tf.maximum(2 - tf.shape(rows)[1], 0)
    return tf.pad(rows, [[0, 0], [0, more]], constant_values=fill)


def _shares(first, second, room):
    """As `keras_attention.tasks.core.text_inputs.shares`, for tensors."""
    shorter = tf.minimum(tf.minimum(first, second), room // 2)
    longer = room - shorter
    is_first = first > second
    fits = first + second <= room
    return (
        tf.where(fits, first, tf.where(is_first, longer, shorter)),
        tf.where(fits, second, tf.where(is_first, shorter, longer)),
    )


def _first_of_each(rows, counts):
    """Keeps as many ids of each row as `counts` says, `(batch,)`."""
    starts = tf.gather(rows.row_starts(), rows.value_rowids())
    places = tf.range(tf.size(rows.flat_values, tf.int64)) - starts
    kept = places < tf.gather(counts, rows.value_rowids())
    return tf.ragged.boolean_mask(rows, rows.with_flat_values(kept))
