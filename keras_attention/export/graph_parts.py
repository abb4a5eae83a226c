"""Parts of the graphs that are exported. It imports TensorFlow."""

import sys

import tensorflow as tf

from keras_attention.data.tokenizers.base import FIRST
from keras_attention.data.tokenizers.texts import BLANK


class Hidden:
    """Holds a value that SavedModel is not to follow."""

    def __init__(self, value):
        self.value = value


def encode(tokenizer, text):
    """Gives the ids of texts; a blank one has none.

    Args:
        tokenizer: from `tokenizer_in_graph`.
        text: string tensor `(batch,)`.

    Returns:
        Ragged int32 `(batch, None)`.
    """
    return tokenizer.tokenize(visible(text))


def visible(text):
    """Makes texts empty that have no visible character."""
    return tf.strings.regex_replace(text, f"^{BLANK}$", "")


def marked(tokenizer, rows):
    """Puts special tokens around ids: those of a template, or the end.

    Args:
        tokenizer: a `Tokenizer`.
        rows: ragged int32 ids `(batch, None)`.

    Returns:
        Ragged int32 `(batch, None)`.
    """
    if tokenizer.templates is None:
        template = [(FIRST, 0), (tokenizer.end_id, 0)]
    else:
        template = tokenizer.templates["single"]
    return tf.concat(in_template({FIRST: rows}, template), axis=1)


def in_template(ids, template):
    """Puts the ids of texts where a template has them.

    Args:
        ids: dictionary from the names of texts, `FIRST` and `SECOND`, to
            ragged int32 ids `(batch, None)`.
        template: list of `(item, segment)`, as of `Tokenizer.templates`.

    Returns:
        A list of ragged int32 ids, what the items stand for.
    """
    count = ids[FIRST].nrows()
    return [
        ids[item] if isinstance(item, str) else _column(item, count)
        for item, _ in template
    ]


def _column(number, count):
    return tf.RaggedTensor.from_uniform_row_length(
        tf.fill([count], number), tf.constant(1, tf.int64), count
    )


def warn_of_cut(rows, limit, setting):
    """Counts on standard error the texts that are too long.

    Args:
        rows: ragged ids, without the marks that are added to each.
        limit: integer, how many ids are left of a text.
        setting: string, what limits them.
    """
    warn_of_too_long(rows.row_lengths() > limit, setting)


def warn_of_too_long(too_long, setting):
    """Counts on standard error the texts that are cut.

    Args:
        too_long: boolean `(batch,)`.
        setting: string, what limits them.
    """
    count_cut(too_long, "texts", f"{setting} tokens")


def count_cut(too_long, what, limit):
    """Counts on standard error what is cut.

    Args:
        too_long: boolean `(batch,)`.
        what: string, what there is a batch of.
        limit: string, to what it is cut.
    """
    num_cut = tf.reduce_sum(tf.cast(too_long, tf.int32))

    def warn():
        tf.print(
            "Cut",
            num_cut,
            "of",
            tf.size(too_long),
            f"{what} to {limit}.",
            output_stream=sys.stderr,
        )
        return 0

    tf.cond(num_cut > 0, warn, lambda: 0)


def in_batches(count, batch_size, run, width):
    """Runs over rows, `batch_size` at a time.

    Args:
        count: integer tensor, how many rows there are.
        batch_size: integer.
        run: function from the first row of a batch and the one behind the
            last to float32 `(rows, width)`.
        width: integer.

    Returns:
        float32 `(count, width)`.
    """

    def advance(first, found):
        behind = tf.minimum(first + batch_size, count)
        return behind, tf.concat([found, run(first, behind)], axis=0)

    _, found = tf.while_loop(
        lambda first, _: first < count,
        advance,
        (tf.constant(0), tf.zeros([0, width])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, width])),
        parallel_iterations=1,
    )
    return found
