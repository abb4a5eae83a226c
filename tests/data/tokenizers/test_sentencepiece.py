import os
import subprocess
import sys

import numpy as np
import pytest

from keras_attention.data import DataError, SentencePieceTokenizer

SYLLABLES = "ka to mi ru sen lo pa vel dor in the cat".split()
GENERATOR = np.random.default_rng(3)
WORDS = ["".join(GENERATOR.choice(SYLLABLES, 3)) for _ in range(150)]
TEXTS = [" ".join(GENERATOR.choice(WORDS, 7)) for _ in range(200)]
TEXTS += ["eine Katze, größer als zwei Hunde!", "Ça va très bien: œuvre 3"]
TEXTS += ["the cat", "two dogs"]

AWKWARD = [
    "",
    " ",
    "   \t \n ",
    "the cat",
    "  the   cat\tsat \n on  ",
    "THE CAT",
    "größer œuvre Ça",
    "gro\u0308ßer",  # decomposed
    "ﬁne ½ … ｆｕｌｌ",  # changed by NFKC
    "cat☃dog 你好 👩‍👩‍👧 🇩🇪",
    "\u00a0the\u200bcat\ufeff",
    "▁the▁cat",
    "<s> the </s> <pad> <unk>",
    "\x00\x01the",
    "the" * 500,
]


@pytest.fixture(scope="module", params=["unigram", "bpe", "bytes"])
def tokenizer(request):
    if request.param == "bytes":
        return SentencePieceTokenizer.train(TEXTS, 380, byte_fallback=True)
    return SentencePieceTokenizer.train(TEXTS, 130, model_type=request.param)


def test_special_ids(tokenizer):
    assert tokenizer.padding_id == 0
    assert tokenizer.unknown_id == 1
    assert tokenizer.start_id == 2
    assert tokenizer.end_id == 3


def test_lower_case_is_all_there_is():
    lower = SentencePieceTokenizer.train(TEXTS, 120, lowercase=True)
    assert lower.encode(TEXTS) == lower.encode([x.lower() for x in TEXTS])
    assert lower.decode(lower.encode(["THE Cat"])) == ["the cat"]
    text = pytest.importorskip("tensorflow_text")
    in_graph = text.SentencepieceTokenizer(model=lower.proto)
    found = in_graph.tokenize(AWKWARD + TEXTS).to_list()
    assert lower.encode(AWKWARD + TEXTS) == found


def test_text_comes_back(tokenizer):
    ids = tokenizer.encode(TEXTS)
    assert tokenizer.decode(ids) == TEXTS
    assert min(map(min, ids)) > 3
    assert max(map(max, ids)) < tokenizer.vocabulary_size


def test_pieces_are_what_text_is_made_of(tokenizer):
    rows = tokenizer.encode(["the cat", "two dogs"])
    pieces = tokenizer.pieces([[2, *rows[0], 3, 0], rows[1]])
    assert pieces[0][0] == "<s>" and pieces[0][-2:] == ["</s>", "<pad>"]
    assert "".join(pieces[0][1:-2]) == " the cat"
    assert "".join(pieces[1]) == " two dogs"
    assert tokenizer.pieces(np.array([[-1, 10_000]])) == [["⁇", "⁇"]]


def test_the_vocabulary_has_the_size_asked_for(tokenizer):
    assert tokenizer.vocabulary_size in (130, 380)


def test_the_empty_text_has_no_ids(tokenizer):
    assert tokenizer.encode([]) == []
    assert tokenizer.encode(["", "cat", ""])[::2] == [[], []]
    assert tokenizer.decode([[], [3], [0, 0]]) == ["", "", ""]


def test_decoding_stops_at_the_end_and_skips_padding(tokenizer):
    cat, dogs = tokenizer.encode(["the cat", "two dogs"])
    rows = [[2, *cat, 3, *dogs], [0, 2, *dogs, 0, 0]]
    assert tokenizer.decode(rows) == ["the cat", "two dogs"]
    width = max(map(len, rows))
    array = np.array([row + [0] * (width - len(row)) for row in rows])
    assert tokenizer.decode(array) == ["the cat", "two dogs"]
    assert tokenizer.decode(array.astype("int32")) == ["the cat", "two dogs"]


def test_unseen_characters_do_not_vanish():
    tokenizer = SentencePieceTokenizer.train(TEXTS, 130)
    (ids,) = tokenizer.encode(["cat ☃"])
    assert tokenizer.unknown_id in ids
    assert "⁇" in tokenizer.decode([ids])[0]
    tokenizer = SentencePieceTokenizer.train(TEXTS, 380, byte_fallback=True)
    (ids,) = tokenizer.encode(["cat ☃"])
    assert tokenizer.unknown_id not in ids
    assert tokenizer.decode([ids]) == ["cat ☃"]


def test_whole_words_are_the_most_frequent_between_spaces():
    texts = ["the cat sat", "the cat ran", "The dog, is sat", "the cat"]
    tokenizer = SentencePieceTokenizer.train(
        texts, 7, model_type="word", lowercase=True
    )
    given = ["the CAT sat", "the dog, ran sat", "", "cats"]
    unknown = tokenizer.unknown_id
    expected = [[4, 5, 6], [4, unknown, 6], [], [unknown]]
    assert tokenizer.encode(given) == expected
    more = SentencePieceTokenizer.train(texts, 99, model_type="word")
    assert more.vocabulary_size == 11  # the others being special
    assert tokenizer.normalize("The  CAT") == "▁the▁cat"
    text = pytest.importorskip("tensorflow_text")
    in_graph = text.SentencepieceTokenizer(model=tokenizer.proto)
    assert tokenizer.encode(given) == in_graph.tokenize(given).to_list()


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "word"])
def test_training_is_deterministic(model_type):
    protos = {
        SentencePieceTokenizer.train(texts, 130, model_type=model_type).proto
        for texts in (TEXTS, iter(TEXTS))
    }
    assert len(protos) == 1


def test_ids_are_those_of_the_graph(tokenizer):
    text = pytest.importorskip("tensorflow_text")
    in_graph = text.SentencepieceTokenizer(model=tokenizer.proto)
    found = in_graph.tokenize(AWKWARD + TEXTS).to_list()
    assert tokenizer.encode(AWKWARD + TEXTS) == found


@pytest.mark.full
def test_ids_are_those_of_keras_hub(tokenizer):
    keras_hub = pytest.importorskip("keras_hub")
    other = keras_hub.tokenizers.SentencePieceTokenizer(proto=tokenizer.proto)
    for text, ids in zip(AWKWARD, tokenizer.encode(AWKWARD), strict=True):
        assert np.asarray(other(text)).tolist() == ids


def test_text_of_ids_is_that_of_the_graph(tokenizer):
    text = pytest.importorskip("tensorflow_text")
    in_graph = text.SentencepieceTokenizer(model=tokenizer.proto)
    generator = np.random.default_rng(0)
    ids = generator.integers(4, tokenizer.vocabulary_size, (23, 11)).tolist()
    found = [row.decode() for row in in_graph.detokenize(ids).numpy()]
    assert tokenizer.decode(ids) == found


def test_files_hold_the_whole_tokenizer(tokenizer, tmp_path):
    path = tmp_path / "vocabulary.spm"
    path.write_bytes(b"an older one")
    tokenizer.save(path)
    assert os.listdir(tmp_path) == ["vocabulary.spm"]
    loaded = SentencePieceTokenizer.load(path)
    assert loaded.proto == tokenizer.proto
    assert loaded.encode(AWKWARD) == tokenizer.encode(AWKWARD)


def test_saving_replaces_files_alone(tokenizer, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "victim").write_text("old")
    (tmp_path / "a.model.tmp").symlink_to("victim")
    with pytest.raises(ValueError, match="pipe is a pipe"):
        tokenizer.save(tmp_path / "pipe")
    tokenizer.save(tmp_path / "a.model")
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "victim").read_text() == "old"


def test_damaged_files_are_refused(tokenizer, tmp_path):
    path = tmp_path / "vocabulary.spm"
    with pytest.raises(DataError, match="vocabulary.spm' cannot be read"):
        SentencePieceTokenizer.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        SentencePieceTokenizer.load(tmp_path)
    proto = tokenizer.proto
    # The pieces fill the first few thousand bytes.
    lengths = [*range(0, 3_000, 17), *range(3_000, len(proto), 9_973)]
    contents = [proto[:length] for length in lengths]
    contents += [proto[:-1], b"PK\x03\x04 a zip file", b"\xff" * 99]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a complete SentencePiece"):
            SentencePieceTokenizer.load(path)


@pytest.mark.parametrize("proto", ["path", None, b"", b"text"])
def test_only_a_model_makes_a_tokenizer(proto):
    with pytest.raises(ValueError, match="`proto` must be"):
        SentencePieceTokenizer(proto)


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_vocabulary_out_of_reach_is_refused_with_the_bound(model_type):
    def train(size):
        return SentencePieceTokenizer.train(TEXTS, size, model_type=model_type)

    with pytest.raises(DataError, match="of 9999 pieces.* at most") as caught:
        train(9999)
    largest = int(str(caught.value).rpartition("at most ")[2].split()[0])
    assert train(largest).vocabulary_size == largest
    with pytest.raises(DataError, match=f"at most {largest} "):
        train(largest + 1)

    with pytest.raises(DataError, match="smallest") as caught:
        train(11)
    smallest = int(str(caught.value).partition("alone take ")[2].split()[0])
    with pytest.raises(DataError, match=f"take {smallest} "):
        train(smallest - 1)
    assert smallest == len(set("".join(TEXTS))) + 4
    assert train(smallest).vocabulary_size == smallest


def test_special_ids_alone_are_no_vocabulary():
    with pytest.raises(DataError, match="of 3 pieces.*special ids alone"):
        SentencePieceTokenizer.train(TEXTS, 3, model_type="word")


@pytest.mark.parametrize("texts", [[], [""], ["  ", "\t"]])
def test_nothing_to_learn_from_is_refused(texts):
    with pytest.raises(DataError, match="no text"):
        SentencePieceTokenizer.train(texts, 50)


def test_wrong_arguments_are_refused(tokenizer):
    with pytest.raises(ValueError, match="'bpe' or 'word'.*'char'"):
        SentencePieceTokenizer.train(TEXTS, 130, model_type="char")
    with pytest.raises(ValueError, match="list of strings.*'a cat'"):
        tokenizer.encode("a cat")
    with pytest.raises(ValueError, match="pieces of words"):
        SentencePieceTokenizer.train(
            TEXTS, 130, model_type="word", byte_fallback=True
        )
    size = tokenizer.vocabulary_size
    for id in (-1, size):
        with pytest.raises(ValueError, match=f"0 and {size - 1}.*{id}"):
            tokenizer.decode([[5, id]])
    assert tokenizer.decode([[5.0, 6]]) == tokenizer.decode([[5, 6]])
    for method in (tokenizer.decode, tokenizer.pieces):
        for ids in ([[5, 6.5]], np.array([[5, 6.5]]), [[float("nan")]]):
            with pytest.raises(ValueError, match="`ids` must be integers"):
                method(ids)


@pytest.mark.full
def test_training_long_sentences_and_quietly():
    code = (
        "import sys\n"
        "from keras_attention.data import DataError, SentencePieceTokenizer\n"
        # A backend may say something when it is imported.
        "print('begun', file=sys.stderr)\n"
        "texts = ['abc ' * 2000, 'de']\n"
        "tokenizer = SentencePieceTokenizer.train(texts, 11)\n"
        "tokenizer.encode(['abc de fg'])\n"
        "try:\n"
        "    SentencePieceTokenizer.train(texts, 10_000)\n"
        "except DataError:\n"
        "    print(tokenizer.encode(['a'])[0].count(1))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.strip() == "0"
    assert done.stderr.endswith("begun\n")
