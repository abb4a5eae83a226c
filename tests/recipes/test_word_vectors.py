"""The recipe that learns vectors of words, and what reads its file."""

import gzip
import sys

import numpy as np
import pytest
from gensim.models import KeyedVectors

from keras_attention.data import WordVectors
from tests.recipes import in_process

ANIMALS = "dog cat horse bird".split()
TOOLS = "saw hammer drill nail".split()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder of sentences in which words of a kind have like neighbours."""
    folder = tmp_path_factory.mktemp("texts")
    generator = np.random.default_rng(0)
    lines = []
    for _ in range(400):
        kind, verb = [(ANIMALS, "sleeps"), (TOOLS, "breaks")][
            generator.integers(2)
        ]
        first, second = generator.choice(kind, 2)
        lines.append(f"0\tThe {first} {verb}, the {second} {verb}.")
    lines.append("1\tA rare word.")
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    return folder


def learn(texts, file, *options):
    return in_process.run(
        "word_vectors",
        "learn",
        f"files:{texts},train,2",
        "--file",
        file,
        "--dim",
        8,
        *options,
    )


@pytest.mark.full
def test_words_of_a_kind_are_near_each_other(texts, tmp_path):
    done = learn(
        texts,
        tmp_path / "a.txt",
        "--epochs",
        40,
        "--sample",
        0,
    )
    assert done.returncode == 0, done.stderr
    assert "401 sentences, 3,204 words" in done.stdout
    # Another implementation reads the file as ours does.
    theirs = KeyedVectors.load_word2vec_format(tmp_path / "a.txt")
    ours = WordVectors(tmp_path / "a.txt")
    assert list(ours.words()) == theirs.index_to_key
    assert set(theirs.index_to_key) == {
        *("the", "sleeps", "breaks", ",", "."),
        *(*ANIMALS, *TOOLS),
    }
    tokenizer = ours.train_tokenizer(["THE dog"], 99, lowercase=True)
    table, found = ours.table(tokenizer)
    assert found[4:].all() and not found[:4].any()
    for word in theirs.index_to_key:
        ((piece,),) = tokenizer.encode([word])
        np.testing.assert_array_equal(table[piece], theirs[word])
    across = theirs.n_similarity(ANIMALS, TOOLS)
    for kind in (ANIMALS, TOOLS):
        assert theirs.n_similarity(kind[:2], kind[2:]) > across + 0.2


def test_a_seed_repeats_the_vectors(texts, tmp_path):
    for name, seed in (("a.txt", 3), ("b.txt.gz", 3), ("c.txt", 4)):
        assert learn(texts, tmp_path / name, "--seed", seed).returncode == 0
    first = (tmp_path / "a.txt").read_bytes()
    assert gzip.decompress((tmp_path / "b.txt.gz").read_bytes()) == first
    assert (tmp_path / "c.txt").read_bytes() != first


def test_words_and_punctuation_are_those_of_the_treebank():
    split_words = in_process.load("word_vectors").split_words
    text = "He said: \"I don't.\"<br />IT's 3.5%, the U.S. way! Ok"
    assert split_words(text, lowercase=True) == [
        ["he", "said", ":", "``", "i", "do", "n't", ".", "''"],
        ["it", "'s", "3.5", "%", ",", "the", "u.s", "."],
        ["way", "!"],
        ["ok"],
    ]
    assert split_words("It", lowercase=False) == [["It"]]
    assert [len(row) for row in split_words("x " * 20_001, True)] == [
        *(10_000, 10_000, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name texts to learn from"),
        (["files:x,train"], "DATASET,SPLIT,COLUMN"),
        (["files:x,,text"], "DATASET,SPLIT,COLUMN"),
        (["files:x,train,text"], "no folder 'x'"),
        (["{texts},dev,2"], "There is no validation.tsv|dev.tsv"),
        (["{texts},train,3"], "no column '3'"),
        (["{texts},train,2", "--least", "9999"], "No word occurs --least 9999"),
        (["{texts},train,2", "{texts},train,2"], "named twice"),
        (["{texts},train,2,2"], "named twice"),
        (["{texts},train,2", "--seed", "4294967296"], "--seed must be"),
        (["{texts},train,2", "--dim", "1"], "--dim must be at least 2"),
        (["{texts},train,2", "--epochs", "0"], "--epochs must be"),
        (["{texts},train,2", "--sample", "1"], "--sample must be"),
    ],
)
def test_bad_input_is_one_message_and_leaves_no_file(
    arguments, message, texts, tmp_path
):
    given = [x.format(texts=f"files:{texts}") for x in arguments]
    file = tmp_path / "vectors.txt"
    done = in_process.run("word_vectors", "learn", *given, "--file", file)
    assert done.returncode == 2
    assert any(part in done.stderr for part in message.split("|")), done.stderr
    assert done.stderr.count("error:") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["", "folder", "file/x.txt", "x.txt.bz2", "x.txt.GZ"]
)
def test_a_file_that_cannot_be_is_refused_at_once(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    done = in_process.run(
        "word_vectors",
        "learn",
        "files:x,train,text",
        "--file",
        tmp_path / name if name else "",
    )
    assert done.returncode == 2 and "--file" in done.stderr, done.stderr
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_is_there_stays_when_learning_fails(
    texts, tmp_path, monkeypatch
):
    file = tmp_path / "vectors.txt"
    file.write_text("kept")

    def fail(self, path):
        with open(path, "w") as opened:
            opened.write("half")
        raise OSError("full")

    monkeypatch.setattr(KeyedVectors, "save_word2vec_format", fail)
    done = learn(texts, file)
    assert done.returncode == 2 and "error: full" in done.stderr
    assert [x.read_text() for x in tmp_path.iterdir()] == ["kept"]


def test_the_package_that_learns_is_named_where_it_is_missing(
    texts, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    done = learn(texts, tmp_path / "vectors.txt")
    assert done.returncode == 2
    assert "needs the package gensim" in done.stderr
    assert 'pip install "keras-attention-zoo[recipes]"' in done.stderr
