"""WordPiece in a graph. It imports TensorFlow."""

import unicodedata

import tensorflow as tf

from keras_attention import optional
from keras_attention.export.tokenizers.aligned import (
    first_of_rows,
    in_characters,
    moved,
    sizes_of,
)
from keras_attention.export.tokenizers.characters import (
    SPACE,
    ranges,
    rows_where,
)

LONGEST = 2**30  # bytes of a word, more than there will be


class WordPieceGraph(tf.Module):
    """Cuts normalized text into words and these into pieces.

    Args:
        document: dictionary, what a `tokenizer.json` of BERT holds.

    Raises:
        ValueError: if it cuts words in another way than BERT.
    """

    without_offsets = None

    def __init__(self, document):
        super().__init__()
        cut = (document.get("pre_tokenizer") or {}).get("type")
        if cut != "BertPreTokenizer":
            raise ValueError(
                f"its pre_tokenizer {cut} has no operations of TensorFlow "
                "beside WordPiece"
            )
        model = document["model"]
        vocabulary = sorted(model["vocab"].items(), key=lambda x: x[1])
        # The library's ids may have gaps, those of the operation have none.
        pieces = [piece for piece, _ in vocabulary]
        self._ids = tf.constant([n for _, n in vocabulary], tf.int32)
        self._unknown = tf.constant(model["vocab"][model["unk_token"]])
        self._longest = model["max_input_chars_per_word"]
        text = optional.load("tensorflow_text", "The export")
        self._pieces = text.FastWordpieceTokenizer(
            pieces,
            suffix_indicator=model["continuing_subword_prefix"],
            # It counts bytes, the library characters.
            max_bytes_per_word=LONGEST,
            unknown_token=model["unk_token"],
            token_out_type=tf.int32,
            no_pretokenization=True,
        )
        self._punctuation = f"[{_punctuation()}]"
        self._ends = f"[{SPACE}]+|{self._punctuation}"

    def __call__(self, text):
        """Cuts strings into pieces.

        Args:
            text: strings `(count,)`.

        Returns:
            `(ids, firsts, behinds, begins)`, ragged `(count, None)`: int32
            ids, where in its string each begins and ends, int64 in
            characters, and boolean, which of them begin a word.
        """
        tensorflow_text = optional.load("tensorflow_text", "The export")
        words, begins, ends = tensorflow_text.regex_split_with_offsets(
            text, self._ends, self._punctuation
        )
        flat = words.flat_values
        sizes = sizes_of(flat)
        is_long = sizes > self._longest
        found, *spans = self._pieces.tokenize_with_offsets(
            tf.where(is_long, "", flat)
        )
        found = found.with_flat_values(tf.gather(self._ids, found.flat_values))
        firsts, behinds = in_characters(flat, *spans)
        unknown = tf.fill(tf.shape(flat), self._unknown)
        found, *spans = (
            tf.concat([rows_where(of_word, is_long), of_pieces], axis=1)
            for of_word, of_pieces in (
                (unknown, found),
                (tf.zeros_like(sizes), firsts),
                (sizes, behinds),
            )
        )
        starts, _ = in_characters(text, begins, ends)
        spans = moved(spans, starts.flat_values)
        return [
            words.with_flat_values(x).merge_dims(1, 2)
            for x in (found, *spans, first_of_rows(found))
        ]


def _punctuation():
    """Finds what the library cuts off words."""
    library = optional.load("tokenizers", "A tokenizer.json")
    cut = library.pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    known = map(chr, (*range(0xD800), *range(0xE000, 0x20000)))
    asked = [x for x in known if unicodedata.category(x)[0] in "PSC"]
    return ranges([x for x in asked if len(cut(f"a{x}a")) == 3])
