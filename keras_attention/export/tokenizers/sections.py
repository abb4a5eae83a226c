"""Special tokens found in text, in a graph. It imports TensorFlow."""

import re

import tensorflow as tf

from keras_attention import optional
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
        normalizer: the same for tensors `(count,)`.

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
        early = [x for x in added if not x["normalized"]]
        late = [x for x in added if x["normalized"]]
        self._before = _Cut({x["content"]: x for x in early})
        self._after = _Cut({normalize(x["content"]): x for x in late})

    def __call__(self, text, tokenize):
        """Gives ids of texts.

        Args:
            text: strings `(batch,)`.
            tokenize: function from normalized strings `(count,)` without
                special tokens to ragged int32 `(count, None)`; it gives no
                ids for an empty one.

        Returns:
            Ragged int32 `(batch, None)`.
        """
        text = tf.strings.regex_replace(text, r"\x00", NUL)
        special = tf.fill(tf.shape(text), -1)
        splits = tf.range(tf.size(text, tf.int64) + 1)
        text, special, splits = self._before(text, special, splits)
        text = tf.where(special >= 0, text, self._normalizer(text))
        text, special, splits = self._after(text, special, splits)
        ids = tokenize(tf.where(special >= 0, "", text))
        ids = tf.concat([rows_where(special, special >= 0), ids], axis=1)
        return tf.RaggedTensor.from_row_splits(
            ids.flat_values, tf.gather(ids.row_splits, splits)
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
