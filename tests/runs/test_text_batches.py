"""What a published model from text to text is trained on."""

import numpy as np
import pytest

from keras_attention.runs.presets import start_text_to_text
from keras_attention.runs.text_batches import make_batches
from tests.recipes import in_process
from tests.tools import near, to_numpy

SOURCES = ["the cat sat", "größer Ça va kamito", "the"]
TARGETS = ["kamitoru senlopa", "in the", "veldor ing the cat"]
LENGTHS = {"max_length": 24, "attention": ""}


@pytest.mark.full
@pytest.mark.parametrize(
    "kind", ["marian", "t5", "bart", "pegasus", "mbart50", "m2m100"]
)
def test_the_loss_is_that_of_transformers_on_its_own_labels(kind, tmp_path):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from tests.tasks.sequence_to_sequence import published_pairs

    model, tokenizer = published_pairs.make(tmp_path / kind, kind)
    given = {}
    if kind in published_pairs.LANGUAGES:
        source, target = published_pairs.LANGUAGES[kind]
        tokenizer.src_lang, tokenizer.tgt_lang = source, target
        given = {"source_language": source, "target_language": target}
    inputs = tokenizer(
        SOURCES, text_target=TARGETS, padding=True, return_tensors="pt"
    )
    inputs.pop("token_type_ids", None)
    padding = inputs["labels"] == tokenizer.pad_token_id
    inputs["labels"][padding] = -100
    with torch.no_grad():
        expected = model(**inputs).loss.item()
    config = in_process.load("translation").Train(
        preset=str(tmp_path / kind),
        run=str(tmp_path / "run"),
        **LENGTHS,
        **given,
    )
    start = start_text_to_text(config)
    pairs = {"validation": (SOURCES, TARGETS)}
    batches = make_batches(config, start.tokenizers(), pairs, start)
    total = count = 0.0
    for inputs, labels, weights in batches["validation"]:
        logits = to_numpy(start.model(inputs, training=False)).astype("float64")
        shifted = logits - logits.max(axis=-1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        found = np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]
        total -= (found * weights).sum()
        count += weights.sum()
    near(total / count, expected, rtol=1e-4)
