"""The vocabulary of a recipe, and what it does not cover."""

import types

import pytest

from keras_attention.data import SentencePieceTokenizer
from keras_attention.runs.checks import UsageError
from keras_attention.runs.vocabulary import learn_vocabulary, note_unknown

TEXTS = ["a tree and a rose", "an oak and a fern", "a nail, a saw"] * 3


@pytest.mark.parametrize("subwords", ["unigram", "bpe"])
def test_it_shrinks_to_what_the_text_supports(subwords, capsys):
    config = types.SimpleNamespace(vocabulary_size=4_000, subwords=subwords)
    tokenizer = learn_vocabulary(config, TEXTS)
    size = tokenizer.vocabulary_size
    assert 16 < size < 100
    told = capsys.readouterr().err
    assert f"has {size}\n" in told and "--vocabulary-size=4000" in told
    with pytest.raises(ValueError, match=f"at most {size} pieces"):
        SentencePieceTokenizer.train(TEXTS, size + 1, model_type=subwords)
    config.vocabulary_size = size
    assert learn_vocabulary(config, TEXTS).proto == tokenizer.proto
    assert capsys.readouterr().err == ""
    config.vocabulary_size = 10
    with pytest.raises(UsageError, match=r"take \d+ .*\(--vocabulary-size\)"):
        learn_vocabulary(config, TEXTS)


def test_text_without_pieces_is_told(capsys):
    tokenizer = SentencePieceTokenizer.train(TEXTS, 20)
    for name in ("tokenizer", "source_tokenizer"):
        task = types.SimpleNamespace(**{name: tokenizer})
        note_unknown(task, ["a \u732b tree", "a rose", "Z\x07 \u732b"])
        told = capsys.readouterr().err
        assert "covers '\u732b', 'Z" in told and "in 2 of 3 texts" in told
        assert told.count("\n") == 1
        note_unknown(task, ["a rose"])
        assert capsys.readouterr().err == ""
    note_unknown(str.upper, ["\u732b"])
    assert capsys.readouterr().err == ""
