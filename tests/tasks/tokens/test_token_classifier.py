"""Entities are found as by the pipeline of transformers."""

import numpy as np
import pytest

from keras_attention import (
    SequenceTagger,
    SpanPredictor,
    TransformerEncoder,
    tasks,
)
from keras_attention.tasks import TokenClassifier
from keras_attention.tasks.tokens import entities
from tests.tasks import published_texts, tiny
from tests.tools import near

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXTS = [
    "the cat sat on the mat",
    "größer Ça va , kamito !",
    "don't stop-it (now)",
    "你好 kamito 😀 the cat",
    "",
    "   ",
    "  the  cat\tka mito ",
    "KAMITO vel dor pa lo sen",
    "x" * 30 + " cat",
    "the cat ka to mi sen lo pa vel dor in the cat",
]
LONG = " ".join(["the cat ka to mi, sen lo größer pa vel dor"] * 9)
RULES = [
    "average",
    *(
        pytest.param(rule, marks=pytest.mark.full)
        for rule in (None, "simple", "first", "max")
    ),
]


@pytest.fixture(
    scope="module",
    params=["bert", pytest.param("roberta", marks=pytest.mark.full)],
)
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / request.param
    kind = "ForTokenClassification"
    model, tokenizer = published_texts.make(folder, kind, request.param, LABELS)
    tokenizer.model_max_length = 48
    pipeline = published_texts.pipeline(
        "token-classification", model, tokenizer
    )
    return folder, pipeline


def check(found, expected, rule):
    label = "entity_group" if rule else "entity"
    assert [x["label"] for x in found] == [x[label] for x in expected]
    for name in ("start", "end"):
        assert [x[name] for x in found] == [x[name] for x in expected]
    near([x["score"] for x in found], [x["score"] for x in expected])


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize("rule", RULES)
def test_entities_are_those_of_the_pipeline(published, rule):
    folder, pipeline = published
    task = TokenClassifier.from_preset(folder, aggregation=rule, batch_size=3)
    number = 0
    for text, found in zip(TEXTS, task(TEXTS), strict=True):
        asked = pipeline(text, aggregation_strategy=rule or "none")
        # The pipeline takes a tab for a part of a word.
        if "\t" not in text or rule in (None, "simple"):
            check(found, asked, rule)
        for entity in found:
            assert text[entity["start"] : entity["end"]] == entity["text"]
        number += len(found)
    assert number > 5


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize(
    "stride", [pytest.param(0, marks=pytest.mark.full), 13]
)
def test_long_texts_are_read_in_windows_as_by_the_pipeline(published, stride):
    folder, pipeline = published
    task = TokenClassifier.from_preset(
        folder, aggregation="average", stride=stride, max_length=48
    )
    expected = pipeline(LONG, aggregation_strategy="average", stride=stride)
    edge = task.tokenizer.offsets([LONG])[0][45][1]  # of the first window
    assert expected[-1]["end"] > edge
    check(task(LONG), expected, "average")
    cut = TokenClassifier.from_preset(folder, max_length=48)
    with pytest.warns(UserWarning, match="Cut 1 of 2 texts to max_length=48"):
        assert cut([LONG, "the"])[0][-1]["end"] <= edge


@pytest.mark.full
def test_a_saved_task_finds_the_same(published, tmp_path):
    folder, _ = published
    task = TokenClassifier.from_preset(
        folder, aggregation="max", ignore_labels=["PER"]
    )
    assert {x["label"] for x in task(TEXTS[-1])} <= {"O", "LOC"}
    task.save(tmp_path / "task")
    loaded = tasks.load(tmp_path / "task")
    assert repr(loaded) == repr(task) and "'B-PER'" in repr(task)
    for ours, theirs in zip(loaded(TEXTS), task(TEXTS), strict=True):
        near([x.pop("score") for x in ours], [x.pop("score") for x in theirs])
        assert ours == theirs


def join(tags, names):
    rows = np.eye(len(names))[[names.index(tag) for tag in tags]]
    spans = [(i, i + 1) for i in range(len(tags))]
    found = entities.join_entities(rows, spans, names, entities.Scheme(names))
    return [
        f"{x['label']}:{x['start']}-{x['end']}"
        for x in found
        if x["label"] != "O"
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-A I-A B-A I-B O", "A:1-3 A:3-4 B:4-5"),  # IOB2
        ("I-A I-A B-A O I-A", "A:0-2 A:2-3 A:4-5"),  # IOB1
        ("B-A I-A E-A S-A S-A I-A", "A:0-3 A:3-4 A:4-5 A:5-6"),  # BIOES
        ("B-A E-A I-A O E-A", "A:0-2 A:2-3 A:4-5"),
        ("B-A I-A L-A U-A U-A B-A", "A:0-3 A:3-4 A:4-5 A:5-6"),  # BILOU
        ("NOUN NOUN VERB O NOUN", "NOUN:0-2 VERB:2-3 NOUN:4-5"),
    ],
)
def test_schemes_of_labels_are_joined(tags, expected):
    tags = tags.split()
    assert join(tags, sorted({"O", *tags})) == expected.split()


def test_what_does_not_fit_is_refused():
    tokenizer = tiny.tokenizer()
    model = SequenceTagger(TransformerEncoder(43, 1, 12, 3), 2)
    with pytest.raises(ValueError, match="labels must be a list"):
        TokenClassifier(model, tokenizer)
    labels = ["O", "X"]
    with pytest.raises(ValueError, match="'averag'.* Did you mean"):
        TokenClassifier(model, tokenizer, labels, aggregation="averag")
    with pytest.raises(ValueError, match="stride must be .* 0 and 254"):
        TokenClassifier(model, tokenizer, labels, stride=255)
    with pytest.raises(ValueError, match="aggregation must not be None"):
        TokenClassifier(model, tokenizer, labels, aggregation=None, stride=3)
    with pytest.raises(ValueError, match="Received: SpanPredictor"):
        TokenClassifier(SpanPredictor(model.encoder), tokenizer, labels)
    with pytest.raises(ValueError, match="ignore_labels must be a list"):
        TokenClassifier(model, tokenizer, labels, ignore_labels="O")
    task = TokenClassifier(model, tokenizer, labels, ignore_labels=[])
    (entity,) = task("a man")[:1]
    assert entity["text"] == "a man"[entity["start"] : entity["end"]]
