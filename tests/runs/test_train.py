"""What follows training: the choice of weights."""

import json
import types

import pytest

from keras_attention.runs import train


@pytest.mark.parametrize(
    ("metric", "scores", "kept"),
    [
        ("accuracy", (0.9, 0.8), "best"),
        ("accuracy", (0.8, 0.8), "averaged"),  # the best is so by luck, too
        ("perplexity", (3.0, 2.0), "averaged"),
        ("perplexity", (3.0, float("nan")), "best"),
    ],
)
def test_the_better_weights_are_kept(
    tmp_path, monkeypatch, metric, scores, kept
):
    loaded = []
    monkeypatch.setattr(train.training, "average_weights", lambda *_: None)
    monkeypatch.setattr(
        train.training, "load_weights", lambda _, path: loaded.append(path.name)
    )
    given = iter(scores)
    model = types.SimpleNamespace(
        evaluate=lambda *_, **__: {metric: next(given)}
    )
    found = train.choose_weights(model, None, tmp_path, metric)
    assert found["kept"] == kept
    json.dumps(found, allow_nan=False)  # which JSON does not have
    assert loaded[-1] == f"{kept}.weights.h5"
