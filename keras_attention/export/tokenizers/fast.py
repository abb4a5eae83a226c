"""A `FastTokenizer` in a graph. It imports TensorFlow."""

import tensorflow as tf

from keras_attention import optional
from keras_attention.data.tokenizers.byte_level import bytes_of
from keras_attention.data.tokenizers.fast import CLEANED
from keras_attention.export.saved_model import NoOperations
from keras_attention.export.tokenizers.byte_level import ByteLevelGraph
from keras_attention.export.tokenizers.characters import join
from keras_attention.export.tokenizers.normalizers import asks, normalizer
from keras_attention.export.tokenizers.sections import Sections
from keras_attention.export.tokenizers.trimming import trimming
from keras_attention.export.tokenizers.unigram import UnigramGraph
from keras_attention.export.tokenizers.word_piece import WordPieceGraph

MODELS = {
    "BPE": ByteLevelGraph,
    "Unigram": UnigramGraph,
    "WordPiece": WordPieceGraph,
}
DECODERS = ("ByteLevel", "Metaspace", "WordPiece")


class FastGraph(tf.Module):
    """The operations of a `FastTokenizer`.

    Args:
        tokenizer: a `FastTokenizer`.

    Raises:
        ValueError: if there are none for a part of it.
    """

    def __init__(self, tokenizer):
        super().__init__()
        document = tokenizer.document
        kind = document["model"].get("type")
        try:
            if kind not in MODELS:
                raise ValueError(
                    f"a model of the kind {kind} has no operations"
                )
            normalization = document.get("normalizer")
            self._sections = Sections(
                document["added_tokens"],
                asks(normalization) if normalization else str,
                normalizer(normalization),
            )
            self._model = MODELS[kind](document)
            pieces = _pieces(tokenizer)
            self.without_offsets = (
                self._sections.without_offsets or self._model.without_offsets
            )
            self._decoder = Decoder(tokenizer, pieces)
            processor = document.get("post_processor")
            self._trimming = trimming(processor, pieces)
        except ValueError as error:
            raise NoOperations(
                f"The tokenizer cannot go into a TensorFlow graph: {error}."
            ) from error

    def tokenize(self, text):
        """Gives ragged int32 ids `(batch, None)` of strings `(batch,)`."""
        return self._sections(text, self._model)

    def tokenize_with_offsets(self, text):
        """Gives ids and where they begin and end, as `Sections` does."""
        return self.tokenize_with_words(text)[:3]

    def tokenize_with_words(self, text):
        """Gives ids, their places, and which of them begin a word."""
        *found, begins = self._sections.with_offsets(text, self._model)
        if self._trimming is not None:
            found = self._trimming(*found)
        return *found, begins

    def detokenize(self, ids):
        """Gives strings `(batch,)` of ragged ids, without special ones."""
        return self._decoder(ids)


def _backend(tokenizer):
    library = optional.load("tokenizers", "A tokenizer.json")
    return library.Tokenizer.from_str(tokenizer.to_json())


def _pieces(tokenizer):
    """Lists the pieces of all ids."""
    pieces = _backend(tokenizer).get_vocab(with_added_tokens=True)
    pieces = {number: piece for piece, number in pieces.items()}
    return [pieces.get(n, "") for n in range(tokenizer.vocabulary_size)]


class Decoder(tf.Module):
    """Turns ids into text by what each adds to it.

    Args:
        tokenizer: a `FastTokenizer`.
        rows: list of strings, the pieces of all ids.

    Raises:
        ValueError: if the text of an id depends on more than whether it is
            the first.
    """

    def __init__(self, tokenizer, rows):
        super().__init__()
        document = tokenizer.document
        kind = (document.get("decoder") or {}).get("type")
        if kind not in DECODERS:
            raise ValueError(
                f"its decoder {kind} has no operations of TensorFlow, only "
                f"{', '.join(DECODERS)}"
            )
        if kind == "ByteLevel":
            first = later = [bytes_of(piece) for piece in rows]
        else:
            decode = _backend(tokenizer).decoder.decode
            first = [decode([piece]) for piece in rows]
            later = [decode(["x", piece])[1:] for piece in rows]
        special = {x["id"] for x in document["added_tokens"] if x["special"]}
        shown = [number not in special for number in range(len(rows))]
        self._first, self._later = tf.constant(first), tf.constant(later)
        self._shown = tf.constant(shown)
        self._cleans_up = tokenizer.cleans_up

    def __call__(self, ids):
        """Gives strings `(batch,)` of ragged ids `(batch, None)`."""
        flat = ids.flat_values
        ids = tf.ragged.boolean_mask(
            ids, ids.with_flat_values(tf.gather(self._shown, flat))
        )
        parts = [
            tf.gather(self._first, ids[:, :1]),
            tf.gather(self._later, ids[:, 1:]),
        ]
        text = join(tf.concat(parts, axis=1))
        # Characters that are cut show as such.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
        if self._cleans_up:
            for found, wanted in CLEANED:
                pattern = found.replace("?", r"\?").replace(".", r"\.")
                text = tf.strings.regex_replace(text, pattern, wanted)
        return text
