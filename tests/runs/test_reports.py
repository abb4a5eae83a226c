"""What is said of a classifier."""

import numpy as np
import pytest

from keras_attention.runs import reports


def test_scores_are_those_of_their_definitions():
    labels = np.array([0, 0, 1, 1, 2])
    predicted = np.array([0, 1, 1, 1, 0])
    found = reports.scores(labels, predicted)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["macro_f1"] == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    error, table = reports.calibration(np.array([0, 1, 0]), probabilities)
    assert error == pytest.approx((0.1 + 0.8 + 0.4) / 3)
    assert [row[2] for row in table] == [1, 1, 1]
    rows = reports.worst_mistakes(np.array([1, 1, 0]), probabilities, 5)
    assert rows.tolist() == [0, 1]
    threshold = reports.choose_threshold(
        np.array([0.9, 0.8, 0.3]),
        np.array([True, True, True]),
        np.array([0.5, 0.6]),
    )
    assert 0.6 < threshold <= 0.8
