"""The published tokenizers: special tokens, templates, vocabularies."""

import dataclasses

from keras_attention.data.tokenizers import languages

WORD_PIECE, BYTE_LEVEL, UNIGRAM = "word_piece", "byte_level", "unigram"
BPE = "bpe"  # of SentencePiece
REMAPPED = "remapped"  # SentencePiece with ids of its own


@dataclasses.dataclass(frozen=True)
class Family:
    """What the tokenizers of one class in `tokenizer_config.json` share.

    Attributes:
        kind: what its vocabulary files hold.
        special: dictionary of special tokens by their roles.
        single, pair: templates, as `templates.processor` takes them, in which
            LANGUAGE stands for the token of the source language.
        language: the source language by default; empty where templates have
            none.
        leading: tokens before those of a SentencePiece file.
        skipped: integer, how many pieces of that file they replace.
        trailing: tokens behind those of the file.
        by_word: whether text is cut at every white space, and not at spaces
            alone.
    """

    kind: str
    special: dict
    single: str
    pair: str
    language: str = ""
    leading: tuple = ()
    skipped: int = 0
    trailing: tuple = ()
    by_word: bool = True


_BERT = Family(
    WORD_PIECE,
    {
        "unk": "[UNK]",
        "sep": "[SEP]",
        "pad": "[PAD]",
        "cls": "[CLS]",
        "mask": "[MASK]",
    },
    "[CLS] A [SEP]",
    "[CLS] A [SEP] B:1 [SEP]:1",
)
_END = "<|endoftext|>"
_GPT2 = Family(
    BYTE_LEVEL, {"bos": _END, "eos": _END, "unk": _END}, "A", "A B:1"
)
_MARKS = {
    "bos": "<s>",
    "eos": "</s>",
    "unk": "<unk>",
    "sep": "</s>",
    "pad": "<pad>",
    "cls": "<s>",
    "mask": "<mask>",
}
_LATE_MASK = {
    **_MARKS,
    "mask": {"content": "<mask>", "lstrip": True, "normalized": True},
}
_ROBERTA = Family(BYTE_LEVEL, _MARKS, "<s> A </s>", "<s> A </s> </s> B </s>")
# The order of fairseq, where SentencePiece has <unk>, <s> and </s>.
_FAIRSEQ = {"leading": ("<s>", "<pad>", "</s>", "<unk>"), "skipped": 3}
_XLM_ROBERTA = dataclasses.replace(
    _ROBERTA, kind=UNIGRAM, trailing=("<mask>",), **_FAIRSEQ
)
_MBART = Family(
    UNIGRAM,
    _LATE_MASK,
    "A </s> LANGUAGE",
    "A B </s> LANGUAGE",
    language="en_XX",
    trailing=(*languages.MBART, "<mask>"),
    **_FAIRSEQ,
)
_MBART_50 = dataclasses.replace(
    _MBART,
    special={k: v for k, v in _LATE_MASK.items() if k != "bos"},
    single="LANGUAGE A </s>",
    pair="LANGUAGE A B </s>",
    trailing=(*languages.MBART_50, "<mask>"),
    by_word=False,
)
_NLLB = Family(
    BPE,
    _LATE_MASK,
    "LANGUAGE A </s>",
    "LANGUAGE A B </s>",
    language="eng_Latn",
    trailing=(*languages.NLLB_200, "<mask>"),
    by_word=False,
    **_FAIRSEQ,
)
_PLAIN = {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
_T5 = Family(UNIGRAM, _PLAIN, "A </s>", "A </s> B </s>")
_PEGASUS = Family(
    UNIGRAM,
    {**_PLAIN, "mask": "<mask_2>"},
    "A </s>",
    "A B </s>",
    skipped=2,
    by_word=False,
)
_MARIAN = Family(REMAPPED, _PLAIN, "A </s>", "A B </s>")
_M2M_100 = Family(
    REMAPPED,
    {"bos": "<s>", "sep": "</s>", **_PLAIN},
    "LANGUAGE A </s>",
    "LANGUAGE A B </s>",
    language="en",
)
FAMILIES = {
    "BartTokenizer": _ROBERTA,
    "BertTokenizer": _BERT,
    "DistilBertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "GPT2Tokenizer": _GPT2,
    "LEDTokenizer": _ROBERTA,
    "LongformerTokenizer": _ROBERTA,
    "M2M100Tokenizer": _M2M_100,
    "MBart50Tokenizer": _MBART_50,
    "MBartTokenizer": _MBART,
    "MarianTokenizer": _MARIAN,
    "MobileBertTokenizer": _BERT,
    "NllbTokenizer": _NLLB,
    "PegasusTokenizer": _PEGASUS,
    "RobertaTokenizer": _ROBERTA,
    "T5Tokenizer": _T5,
    "XLMRobertaTokenizer": _XLM_ROBERTA,
}
# The class of a folder whose tokenizer_config.json names none, by the
# `model_type` of its config.json.
BY_MODEL = {
    "bart": "BartTokenizer",
    "bert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "gpt2": "GPT2Tokenizer",
    "led": "LEDTokenizer",
    "longformer": "LongformerTokenizer",
    "m2m_100": "M2M100Tokenizer",
    "marian": "MarianTokenizer",
    "mbart": "MBartTokenizer",
    "mobilebert": "MobileBertTokenizer",
    "mt5": "T5Tokenizer",
    "pegasus": "PegasusTokenizer",
    "roberta": "RobertaTokenizer",
    "t5": "T5Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}


def family_of(config):
    """Finds the family that a `tokenizer_config.json` names, or None."""
    name = config.get("tokenizer_class") or ""
    return FAMILIES.get(name.removesuffix("Fast"))
