"""Vectors of words, learned elsewhere, for the embedding of a model."""

import itertools
import warnings
from pathlib import Path

import numpy as np

from keras_attention.data.errors import DataError
from keras_attention.data.sources.files import iterate_lines
from keras_attention.data.tokenizers.sentencepiece import SentencePieceTokenizer

WORDS_AT_ONCE = 10_000  # which a tokenizer encodes in one call
LONGEST_WORD = 1_000  # characters; SentencePiece cannot read what is far longer


class WordVectors:
    """A text file of words and their vectors, one word a line.

    GloVe, word2vec and fastText write such files: a word and its numbers,
    with a space between, the most frequent words first; the latter two begin
    with a line of how many words and numbers there are. The file is read line
    by line, and only what a vocabulary needs of it is kept.

    Args:
        path: Path of the file, UTF-8; gzip if it ends in `.gz`.

    Attributes:
        path: `pathlib.Path` of the file.
        dim: Integer, the numbers of a vector.

    Raises:
        DataError: If the file is missing, damaged, or something else; the
            line is named.

    References:
        - [Mikolov et al., 2013](https://arxiv.org/abs/1301.3781), word2vec
        - [Pennington et al., 2014](https://aclanthology.org/D14-1162), GloVe
        - [Bojanowski et al., 2017](https://arxiv.org/abs/1607.04606), fastText

    Example:
        ```python
        vectors = WordVectors("glove.6B.100d.txt")
        tokenizer = vectors.train_tokenizer(texts, 20_000, lowercase=True)
        encoder = RecurrentEncoder(
            tokenizer.vocabulary_size, num_layers=1, hidden_dim=vectors.dim
        )
        table, found = vectors.table(tokenizer)
        encoder.embedding.assign_vectors(table)
        ```
    """

    def __init__(self, path):
        self.path = Path(path).expanduser()
        first = next(self._lines(), (0, ""))[1].split(" ")
        self._has_header = len(first) == 2 and all(x.isdecimal() for x in first)
        self._count = int(first[0]) if self._has_header else None
        self.dim = int(first[1]) if self._has_header else len(first) - 1
        if self.dim < 2:
            raise DataError(
                f"Line 1 of {str(self.path)!r} must be a word and its vector, "
                "or the numbers of words and dimensions, with a space between. "
                f"Received: {' '.join(first)[:60]!r}"
            )
        # Whether the width is right shows here, not after a million lines.
        for number, word, values in itertools.islice(self._rows(), 1):
            self._vector(number, word, values)

    def words(self):
        """Yields the words in the order of the file."""
        for _, word, _ in self._rows():
            yield word

    def train_tokenizer(self, texts, vocabulary_size, *, lowercase=False):
        """Learns whole words from texts, then takes the first ones here.

        So words that no text of training has are known too, and a model can
        tell from their vectors what they are like.

        Args:
            texts: Iterable of strings.
            vocabulary_size: Integer, the most pieces, special ids included.
                The words of the texts come first.
            lowercase: Whether upper case counts as lower case. GloVe's large
                files know lower case alone.

        Returns:
            A `SentencePieceTokenizer` of whole words.

        Raises:
            DataError: If the texts are empty or the file is damaged.
        """
        options = {"model_type": "word", "lowercase": lowercase}
        texts = list(texts)
        tokenizer = SentencePieceTokenizer.train(
            texts, vocabulary_size, **options
        )
        room = vocabulary_size - tokenizer.vocabulary_size
        added = {}  # in order; what is written in several ways counts once
        for word, ids in self._encoded(tokenizer):
            if len(added) >= room:
                break
            if ids != [tokenizer.unknown_id] or len(word) > LONGEST_WORD:
                continue
            normalized = tokenizer.normalize(word)
            if "\u2581" not in normalized[1:]:  # no space within
                added.setdefault(normalized, word)
        if not added:
            return tokenizer
        return SentencePieceTokenizer.train(
            [*texts, *added.values()], vocabulary_size, **options
        )

    def table(self, tokenizer, seed=0):
        """Collects the vectors of a vocabulary.

        A piece that is a whole word has the vector of the first word here
        that the tokenizer takes for it. All other pieces start at random,
        with the deviation that the vectors found have, as Kim drew them,
        though from a normal distribution
        ([Kim, 2014](https://arxiv.org/abs/1408.5882)).

        Args:
            tokenizer: A `SentencePieceTokenizer`.
            seed: Integer, of the vectors drawn.

        Returns:
            float32 array of shape `(vocabulary_size, dim)`, and a boolean one
            of shape `(vocabulary_size,)`: whose vectors were found.

        Raises:
            DataError: If a vector is not of `dim` finite numbers, or no piece
                has one.
        """
        table = np.full((tokenizer.vocabulary_size, self.dim), np.nan, "f4")
        found = np.zeros(len(table), bool)
        special = {
            tokenizer.padding_id,
            tokenizer.unknown_id,
            tokenizer.start_id,
            tokenizer.end_id,
        }
        for rows in _batches(self._rows()):
            encoded = tokenizer.encode([word for _, word, _ in rows])
            for ids, (number, word, values) in zip(encoded, rows, strict=True):
                if len(ids) != 1 or ids[0] in special or found[ids[0]]:
                    continue
                table[ids[0]] = self._vector(number, word, values)
                found[ids[0]] = True
        if not found.any():
            raise DataError(
                f"No word of {str(self.path)!r} is in the vocabulary."
            )
        missing = (~found).sum(), self.dim
        drawn = np.random.default_rng(seed).normal(size=missing)
        table[~found] = drawn * table[found].std()
        return table, found

    def _encoded(self, tokenizer):
        for batch in _batches(self.words()):
            yield from zip(batch, tokenizer.encode(batch), strict=True)

    def _rows(self):
        """Yields line numbers, words, and their numbers as one string."""
        lines = itertools.islice(self._lines(), int(self._has_header), None)
        count = blank = 0
        for number, line in lines:
            if not line:
                blank = blank or number
                continue
            spaces = line.count(" ")
            word, _, values = line.partition(" ")
            # A few words of large files have spaces; the first one has none.
            if spaces > self.dim and count:
                word, *values = line.rsplit(" ", self.dim)
                values = " ".join(values)
            elif spaces != self.dim or blank or "\t" in word:
                raise DataError(
                    f"Line {blank or number} of {str(self.path)!r} must be a "
                    f"word and {self.dim} numbers with a space between. "
                    f"Received: {'' if blank else line[:60]!r}"
                )
            count += 1
            yield number, word, values
        if count < (self._count or 0):
            warnings.warn(
                f"{str(self.path)!r} has {count} words where its first line "
                f"says {self._count}: its end may be missing.",
                stacklevel=2,
            )

    def _vector(self, number, word, values):
        try:
            vector = np.array(values.split(" "), "float32")
        except ValueError as error:
            raise DataError(
                f"Line {number} of {str(self.path)!r} must have numbers after "
                f"{word[:60]!r}: {error}"
            ) from error
        if not np.isfinite(vector).all():
            raise DataError(
                f"Line {number} of {str(self.path)!r} has numbers that are not "
                f"finite after {word[:60]!r}."
            )
        return vector

    def _lines(self):
        """Yields the numbers of lines and the lines."""
        for number, line in enumerate(iterate_lines(self.path), start=1):
            yield number, line.rstrip(" ")


def _batches(items):
    """Yields lists of many items, the last one shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, WORDS_AT_ONCE)):
        yield batch
