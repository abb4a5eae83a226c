"""Tokenizers that a `tokenizer.json` describes."""

import copy
import hashlib
import json
import re
from pathlib import Path

from keras_attention import optional
from keras_attention.data.tokenizers import special, templates
from keras_attention.data.tokenizers.base import Tokenizer
from keras_attention.data.tokenizers.byte_level import bytes_of, text_of
from keras_attention.data.tokenizers.families import family_of
from keras_attention.data.tokenizers.texts import check_texts
from keras_attention.files import replacing

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
# No model takes as many; publishers write 10**30 where they know no limit.
NO_LIMIT = 10**9
LANGUAGE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]+")  # fr_XX or fra_Latn
# What `clean_up_tokenization_spaces` takes back, in this order.
CLEANED = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
]


class FastTokenizer(Tokenizer):
    """A tokenizer of the `tokenizers` library: WordPiece, BPE or Unigram.

    Args:
        document: dictionary, what a `tokenizer.json` holds.
        config: dictionary, what `tokenizer_config.json` holds: the roles of
            special tokens, the class, the longest input.

    Raises:
        ValueError: if the library cannot make a tokenizer of `document`, or
            `config` names a language that it lacks.

    Example:

    ```python
    from keras_attention.data import load_tokenizer

    tokenizer = load_tokenizer("hf://sentence-transformers/all-MiniLM-L6-v2")
    (ids,) = tokenizer.encode(["A man rides a horse."])
    ids, segments = tokenizer.with_special_tokens(ids)
    ```
    """

    def __init__(self, document, config):
        library = optional.load("tokenizers", "A tokenizer.json")
        self.config = dict(config)
        document = special.complete(copy.deepcopy(document), self.config)
        # Tasks cut and fill up; the library would do it before they can.
        document.update(truncation=None, padding=None)
        self.document = document
        try:
            self._backend = library.Tokenizer.from_str(json.dumps(document))
        # The library raises `Exception` itself.
        except Exception as error:
            raise ValueError(
                f"the tokenizers library refuses its tokenizer.json: {error}"
            ) from error
        self._set_templates()
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        self._size = max(vocabulary.values()) + 1
        self.special_ids = {
            role: self.token_id(token)
            for role, token in special.named(self.config).items()
        }
        limit = self.config.get("model_max_length")
        if isinstance(limit, int | float) and limit < NO_LIMIT:
            self.max_length = int(limit)

    def encode(self, texts):
        found = self._backend.encode_batch(
            check_texts(texts), add_special_tokens=False
        )
        return [encoding.ids for encoding in found]

    def offsets(self, texts):
        found = self._backend.encode_batch(
            check_texts(texts), add_special_tokens=False
        )
        return [encoding.offsets for encoding in found]

    def words(self, texts):
        found = self._backend.encode_batch(
            check_texts(texts), add_special_tokens=False
        )
        return [
            [
                None if x is None else code.word_to_chars(x)
                for x in code.word_ids
            ]
            for code in found
        ]

    def decode(self, ids):
        rows = [self._known(row) for row in ids]
        texts = self._backend.decode_batch(rows, skip_special_tokens=True)
        return [self._cleaned(text) for text in texts]

    def token_id(self, token):
        number = self._backend.token_to_id(token)
        return -1 if number is None else number

    def languages(self):
        tokens = (x["content"] for x in self.document["added_tokens"])
        return [token for token in tokens if LANGUAGE.fullmatch(token)]

    def for_language(self, name):
        family = family_of(self.config)
        if family is None or not family.language:
            return super().for_language(name)
        self.language_id(name)
        return type(self)(self.document, {**self.config, "src_lang": name})

    def save(self, path):
        """Writes `tokenizer.json` and `tokenizer_config.json` into a folder.

        `transformers` opens them as well.

        Args:
            path: the folder; made where it is missing.
        """
        files = {TOKENIZER: self.document, CONFIG: self.config}
        for name, content in files.items():
            with replacing(Path(path) / name) as partial:
                text = json.dumps(content, ensure_ascii=False, indent=1)
                partial.write_text(text, encoding="utf-8")

    def to_json(self):
        """Returns what `tokenizer.json` would hold, a string."""
        return json.dumps(self.document)

    def texts_of_ids(self):
        found = super().texts_of_ids()
        for added in self.document["added_tokens"]:
            is_shown = not added["special"]
            found[added["id"]] = added["content"].encode() * is_shown
        return found

    @property
    def digest(self):
        text = json.dumps([self.document, self.config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def vocabulary_size(self):
        return self._size

    @property
    def cleans_up(self):
        """Whether decoding takes spaces before punctuation back."""
        if self.document["model"].get("type") == "BPE":
            return False
        return bool(self.config.get("clean_up_tokenization_spaces", False))

    @property
    def continuing_prefix(self):
        return self.document["model"].get("continuing_subword_prefix") or ""

    @property
    def rewrites_spaces(self):
        decoder = self.document.get("decoder") or {}
        return self.cleans_up or decoder.get("type") == "WordPiece"

    def _cleaned(self, text):
        if self.cleans_up:
            for found, wanted in CLEANED:
                text = text.replace(found, wanted)
        return text

    def _bytes(self, number):
        decoder = self.document.get("decoder") or {}
        if decoder.get("type") == "ByteLevel":
            return bytes_of(self._backend.id_to_token(number) or "")
        return super()._bytes(number)

    def _shown(self, number):
        piece = self._backend.id_to_token(number)
        if piece is None:
            return "⁇"
        decoder = self.document.get("decoder") or {}
        if decoder.get("type") == "ByteLevel":
            return text_of(piece)
        return piece.replace("\u2581", " ")

    def _set_templates(self):
        own = self.document.get("post_processor")
        patterns = special.patterns(self.config, has_own=own is not None)
        if patterns is not None:
            own = templates.processor(*patterns, self.token_id)
            self.document["post_processor"] = own
        self.templates = templates.read_templates(own)
