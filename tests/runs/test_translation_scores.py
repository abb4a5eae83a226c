"""How translations are scored."""

import pytest

from keras_attention.runs.translation_scores import bleu_for, validation_bleu


def test_single_words_have_a_bleu_and_sentences_the_usual_one():
    words = ["einundzwanzig", "zwei"]
    assert validation_bleu(words, words)["val_bleu"] == pytest.approx(100)
    half = validation_bleu(["eins", "zwei"], words)["val_bleu"]
    assert half == pytest.approx(50)
    metric = bleu_for(["one two three four", "five"])
    assert not metric.effective_order
