"""What makes a model ready for training."""

import numpy as np
import pytest

from keras_attention.runs.checks import UsageError
from keras_attention.runs.compiling import make_optimizer
from keras_attention.runs.options import RunOptions


def test_the_learning_rate_falls_by_half_a_cosine():
    given = {"learning_rate": 0.3, "warmup_steps": 4, "schedule": "cosine"}
    config = RunOptions(epochs=3, **given)
    rate = make_optimizer(config, 8)._learning_rate
    got = [float(rate(step)) for step in (0, 2, 4, 14, 24, 30)]
    # From 4 to 24, half of it at 14.
    expected = [0.075, (0.075 + 0.3) / 2, 0.3, 0.15, 0.0, 0.0]
    np.testing.assert_allclose(got, expected, atol=1e-7)
    with pytest.raises(UsageError, match="Training takes 4"):
        make_optimizer(RunOptions(steps=4, **given), 8)
