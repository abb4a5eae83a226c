"""A `TextGenerator` served by TensorFlow and its text operations alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow_text")

from keras_attention.tasks import TextGenerator
from tests.tasks.generation import causal
from tests.tasks.generation.causal import PROMPTS

SERVE = Path(__file__).parent / "serve_text.py"
TEXTS = [*PROMPTS, ""]
OPTIONS = {
    "greedy": {},
    "sampling": {"temperature": 2.0, "top_k": 30, "seed": 7},
    "beam": {"num_beams": 3},
}


@pytest.mark.full
@pytest.mark.parametrize("strategy", OPTIONS)
def test_a_server_gives_the_texts_of_the_task(strategy, tmp_path):
    folder = causal.write(tmp_path / "published", "gpt2")
    task = TextGenerator.from_preset(
        folder,
        generation={"max_new_tokens": 6, **OPTIONS[strategy]},
        stop=["e", "\n."],
        batch_size=4,
    )
    found = task(TEXTS, return_scores=True)
    task.export(tmp_path / "exported")
    result = subprocess.run(
        [sys.executable, SERVE, tmp_path / "exported"],
        input=json.dumps({"texts": TEXTS, "threads": 4}),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    served = json.loads(result.stdout.splitlines()[-1])
    expected = [x["text"] for x in found]
    assert served["texts"] == [expected] * 4
    assert len(set(expected)) > 5
    assert expected != task(TEXTS, stop=[])
    scores = [x["score"] for x in found]
    assert served["scores"] == pytest.approx(scores, rel=1e-3)
    assert "too long" in served["refused"]
