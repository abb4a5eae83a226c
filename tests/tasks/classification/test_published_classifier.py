"""Classifiers of published folders, and over backbones of KerasHub."""

import json

import keras
import numpy as np
import pytest

from keras_attention import Classifier, tasks
from keras_attention.models.backbone_encoder import BackboneEncoder
from keras_attention.tasks import TextClassifier
from tests.tasks import published_texts, tiny
from tests.tools import near, to_numpy

PAIRS = [("the cat", "kamito vel"), ("the " * 50, "cat " * 40), ("x", "the")]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "bert"
    return folder, *published_texts.make(folder, "ForSequenceClassification")


@pytest.mark.full
def test_probabilities_are_those_of_the_pipeline(published, tmp_path):
    folder, model, tokenizer = published
    pipeline = published_texts.pipeline(
        "text-classification", model, tokenizer, top_k=None
    )
    task = TextClassifier.from_preset(folder, batch_size=3)
    inputs = [*published_texts.TEXTS, *PAIRS]
    with pytest.warns(UserWarning, match="Cut 1 of 10 texts to max_length=66"):
        found = task.probabilities(inputs)
    asked = [
        {"text": x[0], "text_pair": x[1]} if isinstance(x, tuple) else x
        for x in inputs
    ]
    options = {"truncation": True, "max_length": 66}
    for text, row in zip(asked, found, strict=True):
        scores = pipeline([text], **options)[0]
        scores = {x["label"]: x["score"] for x in scores}
        near(row, [scores[x] for x in published_texts.LABELS])
    best = published_texts.LABELS[found[7].argmax()]
    assert task(PAIRS[0]) == best
    task.save(tmp_path / "task")
    near(tasks.load(tmp_path / "task").probabilities(inputs[:8]), found[:8])


@pytest.mark.full
def test_several_classes_for_one_text_are_refused(published, tmp_path):
    folder, *_ = published
    path = folder / "config.json"
    content = path.read_text()
    changed = {"problem_type": "multi_label_classification"}
    path.write_text(json.dumps({**json.loads(content), **changed}))
    try:
        with pytest.raises(ValueError, match="several classes to one text"):
            TextClassifier.from_preset(folder)
    finally:
        path.write_text(content)


def test_a_pair_needs_a_template():
    model = Classifier(tiny.model().encoder, 3)
    task = TextClassifier(model, tiny.tokenizer(), ["a", "b", "c"])
    with pytest.raises(ValueError, match="no template that joins two texts"):
        task(("a", "b"))


def backbone(name="BertBackbone"):
    hub = pytest.importorskip("keras_hub", reason="whose models are wrapped")
    return getattr(hub.models, name)(
        vocabulary_size=43,
        num_layers=1,
        num_heads=2,
        hidden_dim=12,
        intermediate_dim=20,
        max_sequence_length=40,
    )


@pytest.mark.full
def test_a_backbone_of_keras_hub_classifies(tmp_path):
    made = backbone()
    model = Classifier(made, 3)
    ids = np.array([[2, 5, 6, 0], [2, 7, 0, 0]])
    inputs = {
        "token_ids": ids,
        "segment_ids": 0 * ids,
        "padding_mask": (ids > 0).astype("int32"),
    }
    near(
        to_numpy(model.encoder(ids)), to_numpy(made(inputs)["sequence_output"])
    )
    expected = to_numpy(model(ids))
    model.save_to_preset(tmp_path / "preset")
    near(to_numpy(Classifier.from_preset(tmp_path / "preset")(ids)), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    near(to_numpy(loaded(ids)), expected)
    task = TextClassifier(model, tiny.tokenizer(), ["a", "b", "c"])
    assert task.settings["max_length"] == 40
    texts = tiny.sentences(5)
    task.save(tmp_path / "task")
    loaded = tasks.load(tmp_path / "task")
    near(loaded.probabilities(texts), task.probabilities(texts))


@pytest.mark.full
def test_other_backbones_are_told_apart():
    made = BackboneEncoder(backbone("RobertaBackbone"), padding_id=1)
    mask = to_numpy(made.padding_mask(np.array([[0, 5, 1]])))
    assert mask.tolist() == [[True, True, False]]
    with pytest.raises(ValueError, match="takes no segment_ids"):
        made(np.array([[0, 5]]), segment_ids=np.array([[0, 0]]))
    with pytest.raises(ValueError, match="Received: BartBackbone of"):
        BackboneEncoder(backbone("BartBackbone"))
