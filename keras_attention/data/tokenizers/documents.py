"""A `tokenizer.json` made from the vocabulary files of older folders."""

import base64

from keras_attention.data.tokenizers import special, spm_file
from keras_attention.data.tokenizers.families import BPE, family_of

METASPACE = {
    "type": "Metaspace",
    "replacement": "\u2581",
    "prepend_scheme": "always",
    "split": True,
}
ONE_SPACE = {
    "type": "Replace",
    "pattern": {"Regex": " {2,}"},
    "content": " ",
}
UNKNOWN = "<unk>"
UNUSED_SCORE = -100.0  # of what Pegasus reserves


def word_piece(vocabulary, config):
    """Describes a tokenizer of BERT.

    Args:
        vocabulary: dictionary from pieces to ids.
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        A dictionary, without special tokens and templates.
    """
    unknown = config.get("unk_token", family_of(config).special["unk"])
    return {
        "version": "1.0",
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
            "strip_accents": config.get("strip_accents"),
            "lowercase": config.get("do_lower_case", True),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def byte_level(vocabulary, merges, config):
    """Describes a tokenizer of GPT-2 or RoBERTa.

    Args:
        vocabulary: dictionary from pieces to ids.
        merges: list of pairs of pieces, the first to be merged first.
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        A dictionary, without special tokens.

    Raises:
        ValueError: if the vocabulary lacks a token of the templates.
    """
    bytes_of_text = {
        "type": "ByteLevel",
        "add_prefix_space": config.get("add_prefix_space", False),
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "normalizer": None,
        "pre_tokenizer": bytes_of_text,
        "post_processor": _around_bytes(vocabulary, config),
        "decoder": {**bytes_of_text, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def sentence_piece(proto, config):
    """Describes a tokenizer of T5, XLM-R, mBART, Pegasus or NLLB.

    Text is normalized by the rules of the file itself. (`transformers` 5
    leaves them out for mBART, earlier versions did not.)

    Args:
        proto: bytes, a SentencePiece model.
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        A dictionary, without templates; its special tokens are those of the
        SentencePiece model.

    Raises:
        ValueError: if the vocabulary has no unknown piece.
    """
    family = family_of(config)
    pieces = spm_file.read_pieces(proto)
    charsmap = spm_file.read_settings(proto)["charsmap"]
    vocabulary = _rearranged(pieces, config)
    places = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    if UNKNOWN not in places:
        raise ValueError(f"its SentencePiece model has no piece {UNKNOWN!r}")
    steps = [] if family.by_word else [ONE_SPACE]
    if charsmap:
        encoded = base64.b64encode(charsmap).decode()
        rules = {"type": "Precompiled", "precompiled_charsmap": encoded}
        steps.insert(0, rules)
    cuts = [{"type": "WhitespaceSplit"}] if family.by_word else []
    make_model = _bpe if family.kind == BPE else _unigram
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": places[piece],
                "content": piece,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind == spm_file.CONTROL,
            }
            for piece, _, kind in pieces
            if kind in (spm_file.CONTROL, spm_file.USER_DEFINED)
            and piece in places
        ],
        "normalizer": _together("normalizers", steps),
        "pre_tokenizer": _together("pretokenizers", [*cuts, METASPACE]),
        "post_processor": None,
        "decoder": METASPACE,
        "model": make_model(vocabulary, places, pieces),
    }


def _unigram(vocabulary, places, pieces):
    return {
        "type": "Unigram",
        "unk_id": places[UNKNOWN],
        "vocab": vocabulary,
        "byte_fallback": False,
    }


def _bpe(vocabulary, places, pieces):
    """Describes BPE, whose merges follow from the order of the pieces."""
    known = {piece for piece, _, _ in pieces}
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": UNKNOWN,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": places,
        "merges": [
            [piece[:cut], piece[cut:]]
            for piece, _, _ in pieces
            for cut in range(1, len(piece))
            if piece[:cut] in known and piece[cut:] in known
        ],
    }


def _around_bytes(vocabulary, config):
    """Describes the template of RoBERTa, which also cuts spaces off spans."""
    tokens = special.named(config)
    if "sep" not in tokens:
        return None
    marks = {}
    for role in ("sep", "cls"):
        token = tokens[role]
        if token not in vocabulary:
            raise ValueError(f"its vocabulary lacks the token {token!r}")
        marks[role] = [token, vocabulary[token]]
    return {
        "type": "RobertaProcessing",
        **marks,
        "trim_offsets": config.get("trim_offsets", True),
        "add_prefix_space": config.get("add_prefix_space", False),
    }


def _rearranged(pieces, config):
    """Puts the pieces into the order of the model's ids."""
    family, name = family_of(config), config["tokenizer_class"]
    leading = [[token, 0.0] for token in family.leading]
    trailing = family.trailing
    if name.startswith("T5"):
        trailing = special.sentinels(config)
    if name.startswith("Pegasus"):
        leading = [[x, 0.0] for x in ("<pad>", "</s>", *special.MASKS)]
        leading += [[token, UNUSED_SCORE] for token in special.reserved(config)]
    return [
        *leading,
        *([piece, score] for piece, score, _ in pieces[family.skipped :]),
        *([token, 0.0] for token in trailing),
    ]


def _together(name, steps):
    if len(steps) < 2:
        return steps[0] if steps else None
    return {"type": "Sequence", name: steps}
