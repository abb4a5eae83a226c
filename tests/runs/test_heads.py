"""Heads for the classes of the data."""

import numpy as np
import pytest

from keras_attention import Classifier, MaskedLM, TransformerEncoder
from keras_attention.runs.checks import UsageError
from keras_attention.runs.heads import with_head
from tests.tools import near, to_numpy

IDS = np.array([[3, 5, 7], [2, 4, 0]])


@pytest.fixture
def model():
    encoder = TransformerEncoder(11, 1, 6, 2)
    return Classifier(encoder, 3, hidden_dim=5, labels=["a", "b", "c"])


def test_the_same_classes_in_another_order_keep_their_logits(model):
    before = to_numpy(model(IDS)).copy()
    made = with_head(model, ["c", "a", "b"], "auto")
    assert made.labels == ["c", "a", "b"]
    near(made(IDS), before[:, [2, 0, 1]])


def test_as_many_other_classes_keep_the_head_and_are_told(model, capsys):
    before = to_numpy(model(IDS)).copy()
    made = with_head(model, ["x", "y", "z"], "auto")
    near(made(IDS), before)
    expected = "note: the classes of the preset, a, b, c, become x, y, z"
    assert expected in capsys.readouterr().err


@pytest.mark.full
def test_other_heads_are_fresh_over_the_encoder(model, capsys):
    made = with_head(model, ["x", "y"], "auto")
    assert made.num_classes == 2 and made.encoder is model.encoder
    near(made.hidden.kernel, model.hidden.kernel)
    assert "the head is drawn anew" in capsys.readouterr().err
    made = with_head(MaskedLM(model.encoder), ["x", "y"], "auto")
    assert made.encoder is model.encoder
    made = with_head(model, ["a", "b", "c"], "max")
    assert made.hidden is None and made.labels == ["a", "b", "c"]


def test_what_encodes_no_text_is_refused(model):
    with pytest.raises(UsageError, match="It holds a Dense"):
        with_head(model.dense, ["x", "y"], "auto")
