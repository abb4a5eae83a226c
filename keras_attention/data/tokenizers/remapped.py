"""SentencePiece models whose pieces have ids of their own."""

import hashlib
import json
import re
from pathlib import Path

from keras_attention import optional
from keras_attention.data.tokenizers import special, spm_file, templates
from keras_attention.data.tokenizers.base import Tokenizer
from keras_attention.data.tokenizers.families import family_of
from keras_attention.data.tokenizers.languages import M2M
from keras_attention.data.tokenizers.texts import check_texts
from keras_attention.files import replacing
from keras_attention.json_files import parse_json

VOCABULARY, TARGET_VOCABULARY = "vocab.json", "target_vocab.json"
SOURCE, TARGET = "source.spm", "target.spm"  # of Marian
MODEL = "sentencepiece.bpe.model"  # of M2M100
CONFIG = "tokenizer_config.json"
CODE = r"^>>.*?<<"  # the target language, before a text for Marian


class RemappedTokenizer(Tokenizer):
    """A tokenizer of Marian or M2M100: pieces of SentencePiece, other ids.

    Args:
        files: dictionary from the names of files to their bytes: `vocab.json`
            with `source.spm` and `target.spm`, or with
            `sentencepiece.bpe.model`.
        config: dictionary, what `tokenizer_config.json` holds.
        target: whether it is for the target of a Marian model, which may
            have pieces and ids of its own.

    Raises:
        ValueError: if a file is damaged or the vocabulary lacks a token.
    """

    def __init__(self, files, config, target=False):
        self.files, self.config = files, dict(config)
        self.target = target
        self.is_marian = SOURCE in files
        separate = self.is_marian and config.get("separate_vocabs", False)
        name = TARGET_VOCABULARY if separate and target else VOCABULARY
        self.vocabulary = parse_json(files[name], name)
        own = TARGET if target else SOURCE
        self._processor = self._load(own if self.is_marian else MODEL)
        # Marian shows text by the source's pieces where both share ids.
        self._shows = TARGET if separate else SOURCE
        self._shower = self._load(self._shows if self.is_marian else MODEL)
        self._add_special()
        self._tokens = {n: token for token, n in self.ids.items()}
        self._size = max(self._tokens) + 1
        self.max_length = config.get(
            "model_max_length", 512 if self.is_marian else None
        )

    def encode(self, texts):
        return [
            [self.ids.get(piece, self.unknown_id) for piece, _ in self._cut(x)]
            for x in check_texts(texts)
        ]

    def offsets(self, texts):
        return [[span for _, span in self._cut(x)] for x in check_texts(texts)]

    def decode(self, ids):
        return [self._text(self._known(row)) for row in ids]

    def token_id(self, token):
        return self.ids.get(token, -1)

    def languages(self):
        if self.is_marian:
            return [x[2:-2] for x in self.ids if re.fullmatch(CODE, x)]
        return M2M[self.config.get("language_codes", "m2m100")]

    def for_language(self, name):
        if self.is_marian:
            return super().for_language(name)
        self.language_id(name)
        return type(self)(self.files, {**self.config, "src_lang": name})

    def save(self, path):
        """Writes the files of the published tokenizer into a folder.

        Args:
            path: the folder; made where it is missing.
        """
        config = json.dumps(self.config, ensure_ascii=False, indent=1)
        files = {**self.files, CONFIG: config.encode("utf-8")}
        for name, content in files.items():
            with replacing(Path(path) / name) as partial:
                partial.write_bytes(content)

    @property
    def proto(self):
        """Bytes, the SentencePiece model that cuts text."""
        own = TARGET if self.target else SOURCE
        return self.files[own if self.is_marian else MODEL]

    @property
    def shown_proto(self):
        """Bytes, the SentencePiece model that puts text together."""
        return self.files[self._shows if self.is_marian else MODEL]

    @property
    def digest(self):
        found = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for name in sorted(self.files):
            found.update(self.files[name])
        return found.hexdigest()

    @property
    def vocabulary_size(self):
        return self._size

    @property
    def rewrites_spaces(self):
        return True  # those at the ends are left out

    def _load(self, name):
        if not spm_file.is_complete(self.files[name]):
            raise ValueError(
                f"its {name} is not a complete SentencePiece model"
            )
        library = optional.load("sentencepiece", f"A tokenizer with {name}")
        return library.SentencePieceProcessor(model_proto=self.files[name])

    def _add_special(self):
        """Gives ids to what the vocabulary lacks, and makes the templates."""
        self.ids = dict(self.vocabulary)
        named = special.named(self.config)
        if not self.is_marian:
            first = len(self.ids)
            for place, code in enumerate(self.languages()):
                self.ids[f"__{code}__"] = first + place
        tokens = special.wanted(self.config)
        for token in tokens:
            self.ids.setdefault(token, max(self.ids.values()) + 1)
        self.added = sorted(tokens, key=len, reverse=True)
        self._found = re.compile(f"({'|'.join(map(re.escape, self.added))})")
        self.special_ids = {x: self.ids[token] for x, token in named.items()}
        self.special = {
            self.ids[token]
            for token, flags in tokens.items()
            if flags["special"]
        }
        family = family_of(self.config)
        language = self.config.get("src_lang") or family.language
        single, pair = (
            pattern.replace("LANGUAGE", f"__{language}__")
            for pattern in (family.single, family.pair)
        )
        processor = templates.processor(single, pair, self.token_id)
        self.templates = templates.read_templates(processor)

    def _cut(self, text):
        """Lists the pieces of a text with the characters they come from."""
        found, first = [], 0
        for part in self._found.split(text):
            if part in self.added:
                found.append((part, (first, first + len(part))))
            else:
                found += self._cut_plain(part, first)
            first += len(part)
        return found

    def _cut_plain(self, text, first):
        found = []
        code = re.match(CODE, text, re.DOTALL) if self.is_marian else None
        if code:
            found.append((code[0], (first, first + code.end())))
            first, text = first + code.end(), text[code.end() :]
        for piece, (begin, end) in spm_file.cut(self._processor, text):
            found.append((piece, (first + begin, first + end)))
        return found

    def _text(self, ids):
        pieces = [
            self._tokens.get(number, "⁇")
            for number in ids
            if number not in self.special
        ]
        text = self._shower.decode_pieces(pieces)
        return text.replace("\u2581", " ").strip()

    def _shown(self, number):
        return self._tokens.get(number, "⁇").replace("\u2581", " ")
