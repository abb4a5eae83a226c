"""Tokenizers in a graph give the ids and text that they give in Python."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_attention.data import load_tokenizer
from tests.data.tokenizers import folders

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text", reason="what is tested")
pytest.importorskip("tokenizers", reason="what makes the folders")
pytest.importorskip("sentencepiece", reason="what makes the folders")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the graph is TensorFlow's"
)
QUICK = ["marian"]
KINDS = [
    pytest.param(kind, marks=() if kind in QUICK else pytest.mark.full)
    for kind in folders.MAKERS
    if kind != "bpe"
]
# What normalizers and patterns treat each in its own way.
PARTS = [
    *"aAeo tTthk  \n\t.,'’!?-_1²½ﬁ…\r\x00\x7f",
    *"\u0301\u0308\u0327\u200d\u0300한\u1112\u1161\u11ab你😀\u00a0\u3000▁Ġ",
    *"İẞΣÅ\u212b\u0344\u0958\u2126\u1f71\u0600\u0903\u2028",
    *("'s", "'ll", " the", "ka", "<mask>", "</s>", "[SEP]", ">>fr<<"),
]


def drawn(count, seed):
    """Draws texts of awkward parts, and of any characters."""
    rng = random.Random(seed)
    planes = [
        (32, 0x500),
        (0x500, 0xD800),
        (0xE000, 0xFFFE),
        (0x10000, 0x20000),
    ]
    texts = []
    for number in range(count):
        length = rng.randrange(1, 30)
        if number % 3:
            texts.append("".join(rng.choices(PARTS, k=length)))
            continue
        chosen = (rng.randrange(*rng.choice(planes)) for _ in range(length))
        texts.append("".join(map(chr, chosen)))
    return texts


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    found = {}

    def make(kind):
        from keras_attention.export.tokenizers.in_graph import (
            tokenizer_in_graph,
        )

        if kind not in found:
            folder = tmp_path_factory.mktemp(kind) / "made"
            ours = load_tokenizer(folders.MAKERS[kind](folder))
            graph = tokenizer_in_graph(ours)
            tokenize = tf.function(
                graph.tokenize,
                input_signature=[tf.TensorSpec([None], tf.string)],
            )
            found[kind] = ours, graph, tokenize
        return found[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_python(kind, made):
    ours, _, tokenize = made(kind)
    texts = [*folders.AWKWARD, folders.LONG, *drawn(300, seed=1)]
    found = tokenize(tf.constant(texts)).to_list()
    for text, row, expected in zip(
        texts, found, ours.encode(texts), strict=True
    ):
        assert row == expected, ascii(text)
    assert tokenize(tf.constant([], tf.string)).to_list() == []


def check_places(ours, tokenize, texts):
    """Compares ids and places with those that Python gives."""
    found = [x.to_list() for x in tokenize(tf.constant(texts))]
    asked = ours.encode(texts), ours.offsets(texts)
    for text, ids, firsts, behinds, *expected in zip(
        texts, *found, *asked, strict=True
    ):
        spans = list(zip(firsts, behinds, strict=True))
        assert [ids, spans] == expected, ascii(text)


@pytest.mark.parametrize("kind", KINDS)
def test_places_are_those_of_python(kind, made):
    ours, graph, _ = made(kind)
    if kind == "unigram":
        assert "NFKC joins characters" in graph.without_offsets
        return
    assert graph.without_offsets is None
    texts = [*folders.AWKWARD, folders.LONG, *drawn(300, seed=4)]
    check_places(ours, graph.tokenize_with_offsets, texts)


CHARSMAP = {"type": "of the folder of T5"}
NORMALIZERS = [
    [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}],
    [{"type": "NFD"}],
    [{"type": "Nmt"}, CHARSMAP],
    [CHARSMAP, {"type": "Strip", "strip_left": True, "strip_right": False}],
    [
        {"type": "Replace", "pattern": {"Regex": "[tk]+"}, "content": "xyz"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": ""},
        {"type": "Strip", "strip_left": True, "strip_right": True},
    ],
]


@pytest.mark.full
@pytest.mark.parametrize("number", range(len(NORMALIZERS)))
def test_normalized_characters_keep_their_places(number, made):
    from keras_attention.data import FastTokenizer
    from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph

    ours, *_ = made("t5")
    charsmap = ours.document["normalizer"]
    steps = [charsmap if x is CHARSMAP else x for x in NORMALIZERS[number]]
    document = {
        **ours.document,
        "normalizer": {"type": "Sequence", "normalizers": steps},
    }
    # Pieces of one character each say most.
    model = document["model"]
    pieces = [[x, score - 9 * len(x)] for x, score in model["vocab"]]
    document["model"] = {**model, "vocab": pieces}
    ours = FastTokenizer(document, ours.config)
    graph = tokenizer_in_graph(ours)
    texts = [*folders.AWKWARD, *drawn(300, seed=5)]
    check_places(ours, graph.tokenize_with_offsets, texts)


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_that_of_python(kind, made):
    ours, graph, _ = made(kind)
    rows = ours.encode(folders.AWKWARD)
    rows = [ours.with_special_tokens(row)[0] for row in rows]
    rng = random.Random(2)
    # Any ids, also those that leave characters unfinished.
    rows += [rng.choices(range(ours.vocabulary_size), k=9) for _ in range(99)]
    ids = tf.ragged.constant(rows, tf.int32)
    found = [text.decode() for text in graph.detokenize(ids).numpy()]
    for row, text, expected in zip(rows, found, ours.decode(rows), strict=True):
        assert text == expected, row


@pytest.mark.full
@pytest.mark.parametrize("kind", ["bert", "roberta", "t5", "marian"])
def test_tensorflow_alone_serves_them(kind, made, tmp_path):
    ours, graph, tokenize = made(kind)
    served = tf.Module()
    served.graph, served.tokenize = graph, tokenize
    served.detokenize = tf.function(
        lambda ids, splits: graph.detokenize(
            tf.RaggedTensor.from_row_splits(ids, splits)
        ),
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int64),
        ],
    )
    tf.saved_model.save(served, str(tmp_path / "saved"))
    texts = folders.AWKWARD
    process = subprocess.run(
        [
            sys.executable,
            "-P",
            str(Path(__file__).parent / "serve.py"),
            str(tmp_path / "saved"),
        ],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert process.returncode == 0, process.stderr
    rows = ours.encode(texts)
    assert json.loads(process.stdout) == [rows, ours.decode(rows)]


def test_what_has_no_operations_says_why(tmp_path):
    from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph

    ours = load_tokenizer(folders.MAKERS["bpe"](tmp_path / "bpe"))
    with pytest.raises(ValueError, match="pre_tokenizer Metaspace"):
        tokenizer_in_graph(ours)
