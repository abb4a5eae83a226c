"""A `RemappedTokenizer` in a graph. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.data.tokenizers import spm_file
from keras_attention.export.tokenizers.aligned import (
    in_characters,
    moved,
    sizes_of,
)
from keras_attention.export.tokenizers.characters import (
    SPACE,
    id_table,
    join,
    rows_where,
)
from keras_attention.export.tokenizers.normalizers import normalizer
from keras_attention.export.tokenizers.sections import Sections
from keras_attention.export.tokenizers.sentencepiece import sentencepiece

CODE = "(?s)^(>>.*?<<).*$"  # the target language, before a text for Marian


class RemappedGraph(tf.Module):
    """The operations of a `RemappedTokenizer`.

    Args:
        tokenizer: a `RemappedTokenizer`.
    """

    without_offsets = None

    def __init__(self, tokenizer):
        super().__init__()
        plain = {"lstrip": False, "rstrip": False, "single_word": False}
        added = [
            {
                "content": token,
                "id": tokenizer.ids[token],
                "normalized": False,
                **plain,
            }
            for token in tokenizer.added
        ]
        self._sections = Sections(added, str, normalizer(None))
        self._pieces = sentencepiece(tokenizer.proto, tf.string)
        self._ids = id_table(tokenizer.ids, tokenizer.unknown_id)
        self._has_codes = tokenizer.is_marian
        kinds = {
            piece: kind
            for piece, _, kind in spm_file.read_pieces(tokenizer.shown_proto)
        }
        shown = {
            number: _shown(piece, kinds.get(piece))
            for piece, number in tokenizer.ids.items()
            if number not in tokenizer.special
        }
        rows = [shown.get(n, b"") for n in range(tokenizer.vocabulary_size)]
        self._shown = tf.constant(rows, tf.string)

    def tokenize(self, text):
        """Gives ragged int32 ids `(batch, None)` of strings `(batch,)`."""
        return self._sections(text, self._tokenize)

    def tokenize_with_offsets(self, text):
        """Gives ids and where they begin and end, as `Sections` does."""
        return self._sections.with_offsets(text, self._tokenize)

    def detokenize(self, ids):
        """Gives strings `(batch,)` of ragged ids, without special ones."""
        text = join(tf.gather(self._shown, ids))
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
        return tf.strings.regex_replace(text, f"^[{SPACE}]+|[{SPACE}]+$", "")

    def _tokenize(self, text):
        codes = tf.fill(tf.shape(text), "")
        if self._has_codes:
            has = tf.strings.regex_full_match(text, CODE)
            code = tf.strings.regex_replace(text, CODE, r"\1")
            codes = tf.where(has, code, codes)
            text = tf.strings.regex_replace(text, "(?s)^>>.*?<<", "")
        pieces, *spans = self._pieces.tokenize_with_offsets(text)
        sizes = sizes_of(codes)
        spans = moved(in_characters(text, *spans), sizes)
        has_code = codes != ""
        pieces, *spans = (
            tf.concat([rows_where(of_code, has_code), of_pieces], axis=1)
            for of_code, of_pieces in (
                (codes, pieces),
                (tf.zeros_like(sizes), spans[0]),
                (sizes, spans[1]),
            )
        )
        ids = pieces.with_flat_values(self._ids.lookup(pieces.flat_values))
        return ids, *spans


def _shown(piece, kind):
    """Gives the bytes that SentencePiece decodes a piece to."""
    if kind == spm_file.CONTROL:
        return b""
    if kind == spm_file.BYTE:  # "<0x41>"
        return bytes([int(piece[3:5], 16)])
    return piece.replace("\u2581", " ").encode()
