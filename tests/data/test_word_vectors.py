"""Vectors of words in files, and the vocabularies that they go into."""

import gzip

import numpy as np
import pytest

from keras_attention.data import (
    DataError,
    SentencePieceTokenizer,
    WordVectors,
)

WORDS = ["the", "dog", "The", "é", "cat", "ﬁsh", "New", "york", "sat"]
TEXTS = ["The cat sat", "the zebra sat", "the cat"]


@pytest.fixture
def matrix(rng):
    return rng.normal(3, 2, size=(len(WORDS), 5)).astype("float32")


def write(path, matrix, words=WORDS, header="", end="\n"):
    lines = [
        " ".join([word, *map(str, row)])
        for word, row in zip(words, matrix.tolist(), strict=True)
    ]
    content = (header + "".join(line + end for line in lines) + end).encode()
    path.write_bytes(
        gzip.compress(content) if path.suffix == ".gz" else content
    )
    return path


@pytest.mark.parametrize(
    ("name", "header", "end"),
    [
        ("glove.txt", "", "\n"),
        ("word2vec.txt.gz", "9 5\n", "\n"),
        ("fasttext.vec", "9 5\n", " \n"),
        ("windows.txt", "\ufeff9 5\r\n", "\r\n"),
        ("original.txt", "", " \n"),
    ],
)
def test_pieces_have_the_vectors_of_the_file(
    name, header, end, matrix, tmp_path
):
    path = write(tmp_path / name, matrix, header=header, end=end)
    vectors = WordVectors(path)
    assert vectors.dim == 5 and list(vectors.words()) == WORDS
    expected = np.loadtxt(
        path,
        "float32",
        usecols=range(1, 6),
        skiprows=int(bool(header)),
        encoding="utf-8",
    )
    tokenizer = SentencePieceTokenizer.train(TEXTS, 99, model_type="word")
    table, found = vectors.table(tokenizer)
    assert table.shape == (tokenizer.vocabulary_size, 5)
    assert table.dtype == np.float32 and np.isfinite(table).all()
    assert found.shape == table.shape[:1] and found.sum() == 4
    for word in ("the", "The", "cat", "sat"):
        ((piece,),) = tokenizer.encode([word])
        assert (
            found[piece] and (table[piece] == expected[WORDS.index(word)]).all()
        )
    again, _ = vectors.table(tokenizer)
    other, _ = vectors.table(tokenizer, seed=1)
    ((zebra,),) = tokenizer.encode(["zebra"])
    assert (again == table).all() and (other[zebra] != table[zebra]).all()


def test_the_first_way_of_writing_a_word_counts(matrix, tmp_path):
    vectors = WordVectors(write(tmp_path / "x.txt", matrix))
    tokenizer = vectors.train_tokenizer(["fish THE"], 99, lowercase=True)
    table, found = vectors.table(tokenizer)
    # "The" is "the", and the ligature is two letters.
    assert found.sum() == len(WORDS) - 1 == tokenizer.vocabulary_size - 4
    for word, row in {"tHe": 0, "fish": 5, "NEW": 6}.items():
        ((piece,),) = tokenizer.encode([word])
        assert (table[piece] == matrix[row]).all()


def test_other_rows_are_drawn_with_the_deviation_of_those_found(tmp_path, rng):
    few = write(tmp_path / "x.txt", rng.normal(3, 2, (1, 500)), ["cat"])
    texts = ["cat " + " ".join(f"w{number}" for number in range(200))]
    tokenizer = SentencePieceTokenizer.train(texts, 999, model_type="word")
    table, found = WordVectors(few).table(tokenizer)
    ((cat,),) = tokenizer.encode(["cat"])
    drawn = np.delete(table, cat, axis=0)
    assert found.tolist() == [number == cat for number in range(len(found))]
    assert drawn.std() == pytest.approx(table[cat].std(), rel=0.02)
    assert drawn.mean() == pytest.approx(0, abs=0.03)


def test_words_of_the_file_fill_up_the_vocabulary(matrix, tmp_path):
    vectors = WordVectors(write(tmp_path / "x.txt", matrix))

    def known(size):
        tokenizer = vectors.train_tokenizer(TEXTS, size)
        pieces = tokenizer.pieces([range(4, tokenizer.vocabulary_size)])
        return {piece.strip() for piece in pieces[0]}

    ours = {"the", "The", "cat", "sat", "zebra"}
    assert known(9) == ours
    assert known(11) == {*ours, "dog", "é"}  # those that come first
    assert known(12) == {*ours, "dog", "é", "fish"}
    assert known(999) == {*ours, *WORDS} - {"ﬁsh"} | {"fish"}
    assert len(known(7)) == 3
    tokenizer = vectors.train_tokenizer(iter(TEXTS), 11)
    assert tokenizer.vocabulary_size == 11


def test_a_word_with_spaces_is_a_row_like_others(matrix, tmp_path):
    words = [*WORDS[:-2], ". . .", "sat"]
    vectors = WordVectors(write(tmp_path / "x.txt", matrix, words))
    assert list(vectors.words()) == words
    tokenizer = SentencePieceTokenizer.train(TEXTS, 99, model_type="word")
    table, _ = vectors.table(tokenizer)
    ((sat,),) = tokenizer.encode(["sat"])
    assert (table[sat] == matrix[-1]).all()


def test_words_with_spaces_take_no_room_in_a_vocabulary(tmp_path, rng):
    words = ["the", "new\xa0york", ". . .", "x" * 9000, "cat", "dog"]
    matrix = rng.normal(size=(len(words), 5))
    vectors = WordVectors(write(tmp_path / "x.txt", matrix, words))
    tokenizer = vectors.train_tokenizer(["zebra yak the"], 8)
    (pieces,) = tokenizer.pieces([range(4, tokenizer.vocabulary_size)])
    assert {piece.strip() for piece in pieces} == {"zebra", "yak", "the", "cat"}


GOOD = "the 1 2\ncat 3 4\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Line 1 of .* must be a word and its vector"),
        (b"the\n", "Line 1 of .*'the'"),
        (b"the 1\n", "Line 1"),
        (b"2 0\n", "Line 1"),
        ("plain text here\n", "Line 1 of .* numbers after 'plain'"),
        ("the\t1 2 3\n", r"Line 1 of .* with a space between.*'the\\t1"),
        ("2 2\nthe 1 2 3\ncat 4 5 6\n", "Line 2 .* a word and 2 numbers"),
        (GOOD + "dog 1\n", "Line 3 of .* must be a word and 2 numbers"),
        (GOOD + "\n\ndog 1 2\n", "Line 3 .* Received: ''"),
        (GOOD + "sat 1 x\n", "Line 3 of .* numbers after 'sat'.*'x'"),
        (GOOD + "sat 1 nan\n", "Line 3 of .* not finite after 'sat'"),
        (GOOD.encode() + b"\xff 1 2\n", "not UTF-8: line 3 .* 0xff"),
        ("dog 1 2\n", "No word of .* is in the vocabulary"),
    ],
)
def test_a_damaged_file_is_named(content, message, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    tokenizer = SentencePieceTokenizer.train(TEXTS, 99, model_type="word")
    with pytest.raises(DataError, match=message) as error:
        WordVectors(path).table(tokenizer)
    assert str(path) in str(error.value)


def test_a_file_shorter_than_it_says_is_told(tmp_path):
    path = tmp_path / "vectors.txt"
    tokenizer = SentencePieceTokenizer.train(TEXTS, 99, model_type="word")
    path.write_text("2 2\n" + GOOD)
    WordVectors(path).table(tokenizer)
    path.write_text("3 2\n" + GOOD)
    with pytest.warns(UserWarning, match="has 2 words where .* says 3"):
        WordVectors(path).table(tokenizer)


def test_a_missing_or_cut_file_is_named(tmp_path, matrix):
    with pytest.raises(DataError, match="no.txt' cannot be read: No such"):
        WordVectors(tmp_path / "no.txt")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        WordVectors(tmp_path)
    path = write(tmp_path / "x.txt.gz", matrix)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="x.txt.gz' is not a complete gzip"):
        list(WordVectors(path).words())
