import keras
import numpy as np
import pytest

from keras_attention.training import Perplexity, TokenAccuracy, TokenCount


def test_each_token_counts_the_same_in_batches_of_any_length():
    perplexity, accuracy = Perplexity(), TokenAccuracy()
    generator = np.random.default_rng(5)
    costs, hits = [], []
    for length in (3, 17):
        labels = generator.integers(0, 11, (2, length))
        logits = generator.normal(size=(2, length, 11))
        weights = generator.integers(0, 2, (2, length))
        logits[..., 3] += length / 7
        perplexity.update_state(labels, logits, weights)
        accuracy.update_state(labels, logits, weights)
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        picked = np.take_along_axis(log_p, labels[..., None], -1)[..., 0]
        costs.extend(-picked[weights == 1])
        hits.extend((logits.argmax(-1) == labels)[weights == 1])
    expected = np.exp(np.mean(costs))
    assert float(perplexity.result()) == pytest.approx(expected, rel=1e-5)
    assert float(accuracy.result()) == pytest.approx(np.mean(hits))


def test_even_odds_give_the_vocabulary_size():
    metric = Perplexity()
    metric.update_state(np.zeros((2, 3), int), np.zeros((2, 3, 13)))
    assert float(metric.result()) == pytest.approx(13)


def test_tokens_are_counted_by_their_weights():
    metric = TokenCount()
    metric.update_state(np.ones((2, 3)), None, np.array([[1, 1, 0], [1, 0, 0]]))
    assert float(metric.result()) == 3
    metric.update_state(np.ones((5, 7)), None)
    before = metric.result()
    assert float(before) == 38
    metric.reset_state()
    # `fit` resets for the validation before it logs the training.
    assert float(metric.result()) == 0 and float(before) == 38


@pytest.mark.parametrize(
    "metric", [Perplexity(name="p"), TokenAccuracy("a"), TokenCount("n")]
)
def test_metrics_survive_a_config_round_trip(metric):
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.name == metric.name
