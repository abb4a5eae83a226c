"""What all tokenizers offer to tasks, and the templates around their ids."""

import re

from keras_attention.checks import did_you_mean
from keras_attention.data.sources.rows import as_integers
from keras_attention.data.tokenizers.texts import words_of

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # a piece of a single byte
FIRST, SECOND = "A", "B"  # where a template takes the texts


class Tokenizer:
    """Base of the tokenizers: text to ids and back.

    A tokenizer of a published model brings templates, which say what stands
    before, between and behind one or two texts. Of one without them, a task
    places the start and end ids.

    Attributes:
        templates: None, or a dictionary of `"single"` and `"pair"`, each a
            list of `(item, segment)`: an id, `"A"` or `"B"` for the texts'
            own ids, and the segment id, 0 or 1, of what it adds.
        special_ids: dictionary of ids by their roles: `"bos"`, `"eos"`,
            `"unk"`, `"sep"`, `"pad"`, `"cls"`, `"mask"`.
        max_length: integer, the most ids that the model takes, as its
            publisher states it; None where nothing is stated.
    """

    templates = None
    max_length = None

    def encode(self, texts):
        """Returns a list of ids for each string, without special ones."""
        raise NotImplementedError(
            f"{type(self).__name__} must override encode."
        )

    def offsets(self, texts):
        """Returns where in its text each id of `encode` comes from.

        Args:
            texts: list of strings.

        Returns:
            A list of lists of `(first, behind)`, in characters.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override offsets."
        )

    def words(self, texts):
        """Returns the word that each id of `encode` is a part of.

        A word is what the tokenizer cuts text into before it looks for
        pieces, or what white space parts where it does not say.

        Args:
            texts: list of strings.

        Returns:
            A list of lists of `(first, behind)`, in characters, or None for
            an id in no word.
        """
        return [
            words_of(text, spans)
            for text, spans in zip(texts, self.offsets(texts), strict=True)
        ]

    def decode(self, ids):
        """Returns a string for each sequence of ids, without special ones.

        Args:
            ids: a sequence of sequences of integers, ragged or an array of
                shape `(batch, length)`.

        Raises:
            ValueError: if an id is outside the vocabulary, or no integer.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override decode."
        )

    def pieces(self, ids):
        """Returns the piece of every id, special ids included, to look at.

        Args:
            ids: a sequence of sequences of integers, ragged or an array of
                shape `(batch, length)`.

        Returns:
            A list of lists of strings. A piece that begins a word begins with
            a space where the vocabulary tells; an id beyond the vocabulary
            shows as "⁇".
        """
        rows = (as_integers("`ids`", row).tolist() for row in ids)
        return [[self._shown(number) for number in row] for row in rows]

    def texts_of_ids(self):
        """Lists what each id adds to a text.

        Returns:
            A list of bytes, which may be a part of a character; those of
            special ids are empty.
        """
        special = set(self.special_ids.values()) - {self.unknown_id}
        return [
            b"" if number in special else self._bytes(number)
            for number in range(self.vocabulary_size)
        ]

    def with_special_tokens(self, ids, pair=None):
        """Puts a text's ids, or those of two texts, into the template.

        Args:
            ids: list of integers, from `encode`.
            pair: the same of a second text, or None.

        Returns:
            `(ids, segments)`: two lists of integers of one length.

        Raises:
            ValueError: if the tokenizer has no template.
        """
        name = "single" if pair is None else "pair"
        if self.templates is None:
            raise ValueError(
                f"This {type(self).__name__} has no template for special "
                "tokens; place start_id and end_id around the ids."
            )
        texts = {FIRST: ids, SECOND: pair}
        found, segments = [], []
        for item, segment in self.templates[name]:
            added = texts[item] if isinstance(item, str) else [item]
            found.extend(added)
            segments.extend([segment] * len(added))
        return found, segments

    def num_special_tokens(self, pair=False):
        """Counts what `with_special_tokens` adds.

        Without templates that is 1, the mark that a task places.
        """
        if self.templates is None:
            return 1
        template = self.templates["pair" if pair else "single"]
        return sum(not isinstance(item, str) for item, _ in template)

    @property
    def marks(self):
        """The ids before and after one text, two tuples, of the template.

        None without templates, where a task places the marks.
        """
        if self.templates is None:
            return None
        items = [item for item, _ in self.templates["single"]]
        place = items.index(FIRST)
        return tuple(items[:place]), tuple(items[place + 1 :])

    def token_id(self, token):
        """Returns the id of a piece or a special token; -1 if it has none."""
        raise NotImplementedError(
            f"{type(self).__name__} must override token_id."
        )

    def language_id(self, name):
        """Returns the id of the token of a language.

        Args:
            name: the language as the model names it, `"fr"`, `"fr_XX"` or
                `"fra_Latn"`.

        Raises:
            ValueError: if the tokenizer has no such language.
        """
        # A name alone may also be a piece of text, such as "en".
        for token in (f"__{name}__", f">>{name}<<", name):
            number = self.token_id(token)
            if number >= 0 and number != self.unknown_id:
                return number
        known = self.languages()
        raise ValueError(
            f"The tokenizer has no language {name!r}"
            f"{f', only {known}' if known else ''}."
            f"{did_you_mean(name, known)}"
        )

    def languages(self):
        """Lists the languages of which the tokenizer has tokens."""
        return []

    def for_language(self, name):
        """Returns this tokenizer with another source language.

        Raises:
            ValueError: if its templates hold no language, or not this one.
        """
        raise ValueError(
            f"The templates of this {type(self).__name__} name no source "
            f"language. Received: {name!r}"
        )

    def save(self, path):
        """Writes the tokenizer; a reader never sees half of it."""
        raise NotImplementedError(f"{type(self).__name__} must override save.")

    def _shown(self, number):
        raise NotImplementedError(
            f"{type(self).__name__} must override _shown."
        )

    def _bytes(self, number):
        """What an id that is no special one adds to a text."""
        piece = self._shown(number)
        byte = BYTE.fullmatch(piece)
        return bytes([int(byte[1], 16)]) if byte else piece.encode("utf-8")

    @property
    def digest(self):
        """SHA-256 of all that decides about ids and text, hexadecimal."""
        raise NotImplementedError(
            f"{type(self).__name__} must override digest."
        )

    @property
    def vocabulary_size(self):
        """Number of ids, special ones included."""
        raise NotImplementedError(
            f"{type(self).__name__} must override vocabulary_size."
        )

    @property
    def continuing_prefix(self):
        """What pieces within a word begin with; empty where nothing says."""
        return ""

    @property
    def rewrites_spaces(self):
        """Whether decoding more ids may take back spaces at the end."""
        return False

    @property
    def padding_id(self):
        """The id that fills up a batch; -1 where there is none."""
        return self._special("pad")

    @property
    def unknown_id(self):
        """The id of what has no piece; -1 where there is none."""
        return self._special("unk")

    @property
    def start_id(self):
        """The id before a text; -1 where there is none."""
        return self._special("bos", "cls")

    @property
    def end_id(self):
        """The id after a text; -1 where there is none."""
        return self._special("eos", "sep")

    @property
    def mask_id(self):
        """The id that stands for a hidden one; -1 where there is none."""
        return self._special("mask")

    def _special(self, *roles):
        found = (self.special_ids.get(role, -1) for role in roles)
        return next((number for number in found if number >= 0), -1)

    def _known(self, row):
        """Makes a list of a row of ids and refuses those that are none."""
        row = as_integers("`ids`", row)
        outside = row[(row < 0) | (row >= self.vocabulary_size)]
        if outside.size:
            raise ValueError(
                f"`ids` must be between 0 and {self.vocabulary_size - 1}. "
                f"Received: {outside[0]}"
            )
        return row.tolist()
