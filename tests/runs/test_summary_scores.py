"""How summaries are scored."""

import pytest

from keras_attention.runs import summary_scores


@pytest.mark.parametrize(
    "text, expected",
    [
        ("One. Two!  Three? Four.", "One. Two! Three?"),
        ("A: one\r\nB: two. Three\nC: four", "A: one B: two. Three"),
        ("  version 1.5 of it", "version 1.5 of it"),
        ("", ""),
    ],
)
def test_lead_is_the_first_three_sentences(text, expected):
    assert summary_scores.lead(text) == expected


def test_compression_is_words_over_words():
    assert summary_scores.compression(["a b c", "d e f"], ["a", "d e"]) == 2
    assert summary_scores.compression(["a b"], [""]) == 2
