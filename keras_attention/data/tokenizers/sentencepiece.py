"""Text to subword ids and back."""

import hashlib
import io
import re

import numpy as np

from keras_attention import optional
from keras_attention.data.errors import DataError, VocabularyError
from keras_attention.data.sources.rows import as_integers
from keras_attention.data.tokenizers import spm_file
from keras_attention.data.tokenizers.base import Tokenizer
from keras_attention.data.tokenizers.texts import check_texts
from keras_attention.files import replacing

PADDING_ID, UNKNOWN_ID, START_ID, END_ID = 0, 1, 2, 3
# The longest sentence, in bytes, that SentencePiece takes into training. Its
# own limit of 4,192 drops longer ones without a word.
LONGEST_SENTENCE = 1 << 30


class SentencePieceTokenizer(Tokenizer):
    """Splits text into the pieces of a SentencePiece model.

    The same serialized model gives the same ids in a TensorFlow graph, through
    KerasNLP's `SentencePieceTokenizer` or tensorflow-text. Models that `train`
    makes have padding 0, unknown 1, start 2 and end 3; of a model made
    elsewhere the properties tell, with -1 for an id that it lacks.

    A character that the model has never seen becomes the unknown id, and
    `decode` shows it as "⁇".

    Args:
        proto: Bytes, a serialized SentencePiece model.

    Raises:
        ValueError: If `proto` is not a complete SentencePiece model.

    Reference:
        - [Kudo and Richardson, 2018](https://arxiv.org/abs/1808.06226)
    """

    def __init__(self, proto):
        if not spm_file.is_complete(proto):
            raise ValueError(
                "`proto` must be a complete serialized SentencePiece model. "
                f"Received: {_description(proto)}"
            )
        try:
            self._processor = _sentencepiece().SentencePieceProcessor(
                model_proto=proto
            )
        except RuntimeError as error:
            raise ValueError(
                "`proto` must be a serialized SentencePiece model. "
                f"Received: {_description(proto)}, which it refuses: {error}"
            ) from error
        self.proto = proto

    @classmethod
    def train(
        cls,
        texts,
        vocabulary_size,
        *,
        model_type="unigram",
        character_coverage=1.0,
        byte_fallback=False,
        lowercase=False,
    ):
        """Learns a vocabulary from sentences, in memory.

        The same texts in the same order give the same model.

        Args:
            texts: Iterable of strings, one a sentence.
            vocabulary_size: Integer, the number of pieces, special ids
                included; for whole words, the most.
            model_type: `"unigram"` or `"bpe"`, or `"word"` for whole words
                between spaces, of which the rarest are unknown, several in
                a row as one.
            character_coverage: Share of the characters in `texts` that get
                pieces of their own; the rarest others are unknown. Lower it,
                to 0.9995 say, for scripts of thousands of characters.
            byte_fallback: Whether to spend 256 pieces on the bytes, so that
                no character at all is unknown.
            lowercase: Whether upper case counts as lower case, also in all
                texts that are encoded later.

        Returns:
            A `SentencePieceTokenizer`.

        Raises:
            DataError: If the texts are empty or do not support a vocabulary
                of this size; the message states the largest or smallest that
                they do.
            ValueError: If `model_type` is unknown, or bytes are asked of
                whole words.
        """
        if model_type not in ("unigram", "bpe", "word"):
            raise ValueError(
                "`model_type` must be 'unigram', 'bpe' or 'word'. "
                f"Received: model_type={model_type!r}"
            )
        if byte_fallback and model_type == "word":
            raise ValueError(
                "`byte_fallback` is for pieces of words, not for "
                "model_type='word'."
            )
        model = io.BytesIO()
        try:
            _sentencepiece().SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                vocab_size=vocabulary_size,
                model_type=model_type,
                character_coverage=character_coverage,
                byte_fallback=byte_fallback,
                hard_vocab_limit=model_type != "word",
                normalization_rule_name=f"nmt_nfkc{'_cf' * lowercase}",
                max_sentence_length=LONGEST_SENTENCE,
                pad_id=PADDING_ID,
                unk_id=UNKNOWN_ID,
                bos_id=START_ID,
                eos_id=END_ID,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise _training_error(error, vocabulary_size) from error
        return cls(model.getvalue())

    @classmethod
    def load(cls, path):
        """Reads a model that `save`, or SentencePiece itself, has written.

        Raises:
            DataError: If there is no such file, or it is truncated or
                something else.
        """
        try:
            with open(path, "rb") as file:
                proto = file.read()
        except OSError as error:
            raise DataError(
                f"The tokenizer {str(path)!r} cannot be read: {error.strerror}"
            ) from error
        try:
            return cls(proto)
        except ValueError as error:
            raise DataError(
                f"{str(path)!r} is not a complete SentencePiece model "
                f"({len(proto)} bytes)."
            ) from error

    def save(self, path):
        """Writes the serialized model; a reader never sees half of it."""
        with replacing(path) as partial:
            partial.write_bytes(self.proto)

    def encode(self, texts):
        """Returns a list of ids for each string, without start and end."""
        return self._processor.encode(check_texts(texts), out_type=int)

    def offsets(self, texts):
        return [
            [span for _, span in spm_file.cut(self._processor, text)]
            for text in check_texts(texts)
        ]

    def token_id(self, token):
        number = self._processor.piece_to_id(token)
        return number if self._processor.id_to_piece(number) == token else -1

    def normalize(self, text):
        """Returns a string as it is before it is cut into pieces.

        Args:
            text: String.

        Returns:
            A string in which spaces are "▁", also the one before the first
            word, and upper case is lower case where the tokenizer was trained
            so.
        """
        return self._processor.normalize(text)

    def decode(self, ids):
        """Returns a string for each sequence of ids.

        A sequence ends before an end id; padding and start are skipped.

        Args:
            ids: A sequence of sequences of integers, ragged or an array of
                shape `(batch, length)`.

        Raises:
            ValueError: If an id is outside the vocabulary, or no integer.
        """
        return self._processor.decode([self._text_ids(row) for row in ids])

    def _shown(self, number):
        if not 0 <= number < self.vocabulary_size:
            return "⁇"
        return self._processor.id_to_piece(number).replace("\u2581", " ")

    def _text_ids(self, row):
        row = as_integers("`ids`", row)
        ends = np.flatnonzero(row == self.end_id)
        if ends.size:
            row = row[: ends[0]]
        row = row[(row != self.padding_id) & (row != self.start_id)]
        return self._known(row)

    @property
    def digest(self):
        """SHA-256 of the serialized model, hexadecimal."""
        return hashlib.sha256(self.proto).hexdigest()

    @property
    def vocabulary_size(self):
        """Number of pieces, special ids included."""
        return self._processor.vocab_size()

    @property
    def vocabulary(self):
        """List of the pieces by their ids, with "▁" for a space."""
        return self._processor.id_to_piece([*range(self.vocabulary_size)])

    @property
    def special_ids(self):
        processor = self._processor
        return {
            "pad": processor.pad_id(),
            "unk": processor.unk_id(),
            "bos": processor.bos_id(),
            "eos": processor.eos_id(),
        }


def _sentencepiece():
    return optional.load("sentencepiece", "SentencePieceTokenizer")


def _training_error(error, vocabulary_size):
    message = str(error)
    largest = re.search(r"too high \(\d+\).*<= (\d+)", message)
    smallest = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if largest:
        reason = f"the text supports at most {largest[1]} pieces"
    elif smallest:
        reason = (
            f"its characters and the special ids alone take {smallest[1]} "
            "pieces, the smallest vocabulary possible"
        )
    elif "insert_id" in message:
        reason = "the special ids alone take 4 pieces"
    elif "sentences_.empty" in message or "all_chars_count" in message:
        return DataError("There is no text to learn a vocabulary from.")
    else:
        reason = message
    return VocabularyError(
        f"No vocabulary of {vocabulary_size} pieces can be learned: {reason}.",
        largest=int(largest[1]) if largest else None,
    )


def _description(proto):
    if isinstance(proto, bytes):
        return f"{len(proto)} bytes"
    return f"an object of type {type(proto).__name__}"
