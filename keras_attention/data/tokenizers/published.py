"""Tokenizers read from published folders."""

from pathlib import Path

from keras_attention.checks import did_you_mean
from keras_attention.data.tokenizers import documents, remapped, spm_file
from keras_attention.data.tokenizers.families import (
    BY_MODEL,
    BYTE_LEVEL,
    FAMILIES,
    REMAPPED,
    WORD_PIECE,
    family_of,
)
from keras_attention.data.tokenizers.fast import (
    CONFIG,
    TOKENIZER,
    FastTokenizer,
)
from keras_attention.data.tokenizers.remapped import RemappedTokenizer
from keras_attention.data.tokenizers.sentencepiece import SentencePieceTokenizer
from keras_attention.json_files import read_json
from keras_attention.zoo.core import hub

VOCABULARIES = {
    WORD_PIECE: ("vocab.txt",),
    BYTE_LEVEL: ("vocab.json", "merges.txt"),
}
OURS = "tokenizer.model"  # which Llama has too, with a configuration
MODELS = ("spiece.model", "sentencepiece.bpe.model", "spm.model")
SPECIAL, ADDED = "special_tokens_map.json", "added_tokens.json"
# A pickle runs whatever it holds.
PICKLES = ("*.pkl", "*.pickle", "vocab.bin")


def load_tokenizer(preset, target=False):
    """Reads the tokenizer of a published folder.

    It is made of `tokenizer.json` where there is one, and otherwise of
    `vocab.txt`, `vocab.json` with `merges.txt`, or SentencePiece files, by
    the class that `tokenizer_config.json` names or the model's type in
    `config.json`. Nothing in the folder is run.

    Args:
        preset: path of a folder of Hugging Face, or of one that
            `save_to_preset` wrote; or `"hf://owner/name"` or
            `"hf://owner/name@revision"`.
        target: whether it is for what an encoder-decoder writes. Only Marian
            has another tokenizer there.

    Returns:
        A `FastTokenizer` or a `RemappedTokenizer`; of a folder of ours also a
        `SentencePieceTokenizer`.

    Raises:
        ValueError: if the folder has no tokenizer, its files are damaged or
            do not fit each other, or its class is not known and there is no
            `tokenizer.json`.

    Example:

    ```python
    from keras_attention.data import load_tokenizer

    tokenizer = load_tokenizer("hf://FacebookAI/roberta-base")
    rows = tokenizer.encode(["A man rides a horse."])
    ids, segments = tokenizer.with_special_tokens(rows[0])
    texts = tokenizer.decode([ids])
    ```
    """
    if isinstance(preset, str) and preset.startswith(hub.SCHEME):
        preset = hub.fetch(preset)
    folder = Path(preset)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder} to read a tokenizer of.")
    if (folder / OURS).is_file() and not (folder / CONFIG).is_file():
        return SentencePieceTokenizer.load(folder / OURS)
    config = _read_config(folder)
    try:
        if (folder / TOKENIZER).is_file():
            return FastTokenizer(_read_document(folder / TOKENIZER), config)
        return _from_vocabulary(folder, config, target)
    except ValueError as error:
        raise ValueError(f"No usable tokenizer in {folder}: {error}") from error


def holds_tokenizer(folder):
    """Whether a folder has a file that `load_tokenizer` reads."""
    names = [TOKENIZER, "vocab.txt", "merges.txt", remapped.SOURCE, *MODELS]
    return any((Path(folder) / name).is_file() for name in names)


def _from_vocabulary(folder, config, target):
    config["tokenizer_class"] = _class_of(folder, config)
    family = family_of(config)
    if family.kind == REMAPPED:
        return RemappedTokenizer(_remapped_files(folder), config, target)
    if family.kind == WORD_PIECE:
        vocabulary = _lines(folder, "vocab.txt")
        places = {piece: place for place, piece in enumerate(vocabulary)}
        document = documents.word_piece(places, config)
    elif family.kind == BYTE_LEVEL:
        places = read_json(_file(folder, "vocab.json"))
        merges = [x.split() for x in _lines(folder, "merges.txt") if x.strip()]
        if merges and merges[0][0].startswith("#version"):
            merges = merges[1:]
        document = documents.byte_level(places, merges, config)
    else:
        name = next((x for x in MODELS if (folder / x).is_file()), MODELS[0])
        proto = _file(folder, name).read_bytes()
        if not spm_file.is_complete(proto):
            raise ValueError(f"{name} is not a complete SentencePiece model")
        document = documents.sentence_piece(proto, config)
    return FastTokenizer(document, config)


def _remapped_files(folder):
    names = [remapped.VOCABULARY, remapped.MODEL]
    if (folder / remapped.SOURCE).is_file():
        names = [remapped.VOCABULARY, remapped.SOURCE, remapped.TARGET]
        if (folder / remapped.TARGET_VOCABULARY).is_file():
            names.append(remapped.TARGET_VOCABULARY)
    return {name: _file(folder, name).read_bytes() for name in names}


def _class_of(folder, config):
    """Names the class of a folder without `tokenizer.json`."""
    named = config.get("tokenizer_class")
    if named and family_of(config):
        return named.removesuffix("Fast")
    if not holds_tokenizer(folder):
        raise ValueError(_nothing(folder))
    model_type = _model_type(folder)
    if not named and model_type in BY_MODEL:
        return BY_MODEL[model_type]
    if not named and (folder / "vocab.txt").is_file():
        return "BertTokenizer"
    if not named and (folder / remapped.SOURCE).is_file():
        return "MarianTokenizer"
    raise ValueError(
        f"{CONFIG} must name a known tokenizer_class where there is no "
        f"{TOKENIZER}, one of {', '.join(FAMILIES)}. Received: "
        f"tokenizer_class={named!r}, model_type={model_type!r}."
        f"{did_you_mean(named or '', FAMILIES)}"
    )


def _nothing(folder):
    pickles = [path.name for x in PICKLES for path in folder.glob(x)]
    if pickles:
        return (
            f"{pickles[0]} is a pickle, which is not read since it could run "
            f"anything. Save the tokenizer as {TOKENIZER}."
        )
    found = sorted(path.name for path in folder.iterdir())
    has = f"only {', '.join(found[:8])}" if found else "nothing"
    return (
        f"it needs {TOKENIZER}, vocab.txt, vocab.json with merges.txt, or a "
        f"SentencePiece model. It has {has}."
    )


def _model_type(folder):
    path = folder / "config.json"
    config = read_json(path, allow_nan=True) if path.is_file() else {}
    return config.get("model_type") if isinstance(config, dict) else None


def _read_config(folder):
    """Reads what the folder says of its tokenizer, from up to three files."""
    config = {}
    for name in (SPECIAL, CONFIG):
        if (folder / name).is_file():
            config.update(_dictionary(folder / name))
    if (folder / ADDED).is_file() and "added_tokens_decoder" not in config:
        added = _dictionary(folder / ADDED)
        config["added_tokens_decoder"] = {
            str(number): {"content": token} for token, number in added.items()
        }
    if "tokenizer_class" not in config:
        model = BY_MODEL.get(_model_type(folder))
        if model and not (folder / TOKENIZER).is_file():
            config["tokenizer_class"] = model
    return config


def _read_document(path):
    document = _dictionary(path)
    if not isinstance(document.get("model"), dict):
        raise ValueError(f"{path.name} has no model.")
    return document


def _dictionary(path):
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no object.")
    return content


def _file(folder, name):
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{name} is missing.")
    return path


def _lines(folder, name):
    content = _file(folder, name).read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")
