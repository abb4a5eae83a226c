"""Special tokens found in text, in a graph. It imports TensorFlow."""

import re

import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.aligned import (
    Aligned,
    moved,
    sizes_of,
)
from keras_attention.export.tokenizers.characters import (
    NUL,
    SPACE,
    id_table,
    rows_where,
)


class Sections(tf.Module):
    """Cuts texts at the special tokens that they hold.

    Args:
        added: list of dictionaries, the `added_tokens` of a `tokenizer.json`.
        normalize: function from a string to a string, as the library
            normalizes what is no special token.
        normalizer: the same for tensors, such as `Steps`.

    Raises:
        ValueError: if a token must stand alone as a word.
    """

    def __init__(self, added, normalize, normalizer):
        super().__init__()
        for token in added:
            if token["single_word"]:
                raise ValueError(
                    f"its special token {token['content']!r} must stand alone "
                    "as a word, for which TensorFlow has no operation"
                )
        self._normalizer = normalizer
        self.without_offsets = normalizer.without_offsets
        early = [x for x in added if not x["normalized"]]
        late = [x for x in added if x["normalized"]]
        self._before = _Cut({x["content"]: x for x in early})
        self._after = _Cut({normalize(x["content"]): x for x in late})

    def __call__(self, text, tokenize):
        """Gives ids of texts.

        Args:
            text: strings `(batch,)`.
            tokenize: function from normalized strings `(count,)` without
                special tokens to ids, places and words, as `WordPieceGraph`
                does; it gives none for an empty one. Words may be missing.

        Returns:
            Ragged int32 `(batch, None)`.
        """
        text, special, splits = self._first_cut(text)
        text = tf.where(special >= 0, text, self._normalizer(text))
        text, special, splits = self._after(text, special, splits)
        ids, *_ = _tokens(text, special, tokenize)
        return _by_text(ids, splits)

    def with_offsets(self, text, tokenize):
        """Gives ids of texts and where in its text each comes from.

        Args:
            text, tokenize: as of the call.

        Returns:
            `[ids, firsts, behinds]`, ragged `(batch, None)`: int32 ids, and
            where each begins and ends, int64 in characters; behind them, if
            `tokenize` tells words, boolean, which ids begin one.
        """
        text, special, splits = self._first_cut(text)
        found = Aligned.of(text, splits)
        found = found.where(special >= 0, self._normalizer.aligned(found))
        text, special, splits = self._after(found.text(), special, splits)
        ids, first, behind, *begins = _tokens(text, special, tokenize)
        # The characters of all sections, one after the other, are the same.
        starts = tf.cumsum(sizes_of(text), exclusive=True)
        placed = (x.flat_values for x in moved((first, behind), starts))
        spans = map(ids.with_flat_values, found.spans(*placed))
        return [_by_text(rows, splits) for rows in (ids, *spans, *begins)]

    def _first_cut(self, text):
        text = tf.strings.regex_replace(text, r"\x00", NUL)
        special = tf.fill(tf.shape(text), -1)
        splits = tf.range(tf.size(text, tf.int64) + 1)
        return self._before(text, special, splits)


def _tokens(text, special, tokenize):
    """Gives ids, places and words; some sections are special tokens."""
    is_special = special >= 0
    sizes = sizes_of(text)
    pieces = tokenize(tf.where(is_special, "", text))
    is_word = tf.ones_like(is_special)
    whole = special, tf.zeros_like(sizes), sizes, is_word
    return [
        tf.concat([rows_where(of_whole, is_special), of_pieces], axis=1)
        for of_whole, of_pieces in zip(whole, pieces, strict=False)
    ]


def _by_text(rows, splits):
    return tf.RaggedTensor.from_row_splits(
        rows.flat_values, tf.gather(rows.row_splits, splits)
    )


class _Cut(tf.Module):
    """Cuts sections at some special tokens.

    Args:
        tokens: dictionary from contents to descriptions.
    """

    def __init__(self, tokens):
        super().__init__()
        # The longest of those that begin at one place is taken.
        order = sorted(filter(None, tokens), key=len, reverse=True)
        space = f"[{SPACE}]*"
        self._pattern = "|".join(
            space * tokens[token]["lstrip"]
            + re.escape(token)
            + space * tokens[token]["rstrip"]
            for token in order
        )
        if order:
            self._ids = id_table({x: tokens[x]["id"] for x in order})

    def __call__(self, text, special, splits):
        """Cuts what is not special yet.

        Args:
            text: strings `(count,)`.
            special: int32 `(count,)`, ids of special tokens, -1 for others.
            splits: int64 `(batch + 1,)`, where each text's sections begin.

        Returns:
            The same of smaller sections.
        """
        if not self._pattern:
            return text, special, splits
        split = optional.load("tensorflow_text", "The export").regex_split
        is_special = special >= 0
        parts = split(
            tf.where(is_special, "", text), self._pattern, self._pattern
        )
        around = f"^[{SPACE}]+|[{SPACE}]+$"
        exact = self._ids.lookup(parts.flat_values)
        stripped = self._ids.lookup(
            tf.strings.regex_replace(parts.flat_values, around, "")
        )
        ids = parts.with_flat_values(tf.where(exact >= 0, exact, stripped))
        text = tf.concat([rows_where(text, is_special), parts], axis=1)
        ids = tf.concat([rows_where(special, is_special), ids], axis=1)
        splits = tf.gather(text.row_splits, splits)
        return text.flat_values, ids.flat_values, splits
