"""Exported tasks over tokens answer as the tasks do, without the package."""

import functools

import keras
import numpy as np
import pytest

from keras_attention import (
    SequenceTagger,
    SpanPredictor,
    TokenEmbedding,
    TransformerEncoder,
)
from keras_attention.data import load_tokenizer
from keras_attention.data.tokenizers.texts import is_blank
from keras_attention.tasks import QuestionAnswerer, TokenClassifier
from tests.data.tokenizers import folders
from tests.export.serve_texts import plain
from tests.export.test_texts import serve
from tests.tasks import published_texts, tiny
from tests.tools import near

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text", reason="what serves")
pytestmark = [
    pytest.mark.autograph,
    pytest.mark.filterwarnings("ignore:Cut"),
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tests that export from other backends start them",
    ),
]
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
# The graph of a normalizer removes the last noncharacter of Unicode.
AWKWARD = [
    text.replace("\U0010ffff", "") for text in (*folders.AWKWARD, *tiny.AWKWARD)
]
LONG = " ".join(["the cat ka to mi, se\u0301n  lo 😀 größer 안녕 \x07pa"] * 9)
TEXTS = [*AWKWARD, LONG]
RULES = [
    {"aggregation": "average", "stride": 13, "max_length": 48},
    {"aggregation": "max", "stride": 0, "max_length": 48},
    {"aggregation": "first", "max_length": 48},
    {"aggregation": "simple", "ignore_labels": ["PER"]},
    {"aggregation": None},
]
ASKED = ["cat", "the größer?", "ka " * 30, "안녕"]
SEARCHES = [
    {"max_length": 48, "stride": 11, "top_k": 3, "max_answer_length": 6},
    {"max_length": 48, "stride": 99},
    {"top_k": 20, "max_answer_length": 4, "align_to_words": False},
    {"top_k": 9, "max_answer_length": 9},
]


def pairs(tokenizer):
    """Awkward contexts, each with some question; none of them is empty."""
    rows = zip(TEXTS, tokenizer.encode(TEXTS), strict=True)
    found = [text for text, ids in rows if ids and not is_blank(text)]
    assert len(found) > 30
    return [(ASKED[i % len(ASKED)], x) for i, x in enumerate(found)]


@pytest.fixture(scope="module", autouse=True)
def graphs_of_tokenizers():
    """Makes one of a tokenizer: its tables take long."""
    from keras_attention.export import text_rows

    made = functools.cache(text_rows.tokenizer_in_graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_rows, "tokenizer_in_graph", made)
        yield


def task_of(cls, tokenizer, **settings):
    """A task with a small model whose answers differ."""
    size = tokenizer.vocabulary_size
    embedding = TokenEmbedding(size, 16, padding_id=tokenizer.padding_id)
    encoder = TransformerEncoder(size, 1, 16, 2, embedding=embedding)
    model = SpanPredictor(encoder)
    if cls is TokenClassifier:
        model = SequenceTagger(encoder, len(LABELS), labels=LABELS)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(0, 0.4, weight.shape))
    return cls(model, tokenizer, **settings)


def check_entities(found, expected):
    """Compares what is served with a list of entities for each text."""
    assert found["count"] == [len(x) for x in expected]
    every = [(i, x) for i, entities in enumerate(expected) for x in entities]
    assert found["text_index"] == [i for i, _ in every]
    for name in ("label", "start", "end", "text"):
        assert found[name] == [x[name] for _, x in every], name
    near(found["score"], [x["score"] for _, x in every])
    return len(every)


def check_answers(found, expected):
    """Compares what is served with the best answers to each question."""
    for row, answers in enumerate(expected):
        answers = answers if isinstance(answers, list) else [answers]
        count = len(answers)
        assert found["count"][row] == count
        for name in ("answer", "start", "end"):
            told = [x[name] for x in answers]
            assert found[name][row][:count] == told, (row, name)
        scores = found["score"][row]
        near(scores[:count], [x["score"] for x in answers])
        assert not any(scores[count:])


def call(function, **texts):
    """What a function gives for strings, as lists."""
    given = {k: tf.constant([*x], tf.string) for k, x in texts.items()}
    return {k: plain(x.numpy()) for k, x in function(**given).items()}


def served(task):
    """The function that an export holds, untraced: that takes long."""
    from keras_attention.export.tokens.question_answerer import (
        QuestionAnswererGraph,
    )
    from keras_attention.export.tokens.token_classifier import (
        TokenClassifierGraph,
    )

    is_classifier = task.kind == "token_classifier"
    graph = TokenClassifierGraph if is_classifier else QuestionAnswererGraph
    task.model.run_eagerly = True
    return graph(task).served["serving_default"].python_function


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    return load_tokenizer(
        folders.MAKERS["marian"](tmp_path_factory.mktemp("marian") / "made")
    )


def test_entities_in_a_graph_are_those_of_the_task(marian):
    task = task_of(TokenClassifier, marian, **RULES[0])
    function = served(task)
    texts = [LONG, "", "  the ka\u0308 \x00 안녕 😀"]
    assert check_entities(call(function, text=texts), task(texts)) > 9


def test_answers_in_a_graph_are_those_of_the_task(marian):
    # As many that a span found in two windows would show.
    settings = {**SEARCHES[0], "top_k": 30, "handle_impossible_answer": True}
    task = task_of(QuestionAnswerer, marian, **settings)
    function = served(task)
    questions = ["ka 안녕", "the " * 40, "cat", "", "ka"]
    contexts = [LONG, "  the ka\u0308 \x00 안녕 😀", "ka", "cat", " \x00\t"]
    found = call(function, question=questions, context=contexts)
    check_answers(found, task(questions[:3], contexts[:3]))
    for row in (3, 4):  # which the task refuses
        assert found["count"][row] == 0
        assert not any(found["answer"][row])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=pytest.mark.full)
        for kind in ("bert", "bert_cased", "roberta", "t5", "xlm_roberta")
    ],
)
def tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "made"
    return load_tokenizer(folders.MAKERS[request.param](folder))


@pytest.mark.full
def test_entities_are_found_by_every_rule(tokenizer):
    for rule in RULES:
        task = task_of(TokenClassifier, tokenizer, batch_size=3, **rule)
        function = served(task)
        found = call(function, text=TEXTS)
        assert check_entities(found, task(TEXTS)) > 9
        found = call(function, text=[])
        assert found["count"] == found["label"] == []


@pytest.mark.full
def test_texts_of_a_learned_tokenizer_are_read_without_templates():
    for rule in RULES:
        task = task_of(TokenClassifier, tiny.tokenizer(), **rule)
        assert check_entities(call(served(task), text=TEXTS), task(TEXTS))


@pytest.mark.full
@pytest.mark.parametrize("impossible", [False, True])
def test_answers_are_found_by_every_search(tokenizer, impossible):
    asked, read = zip(*pairs(tokenizer), strict=True)
    for search in SEARCHES:
        task = task_of(
            QuestionAnswerer,
            tokenizer,
            handle_impossible_answer=impossible,
            batch_size=3,
            **search,
        )
        function = served(task)
        found = call(function, question=asked, context=read)
        check_answers(found, task(asked, read))
        assert call(function, question=[], context=[])["count"] == []


@pytest.mark.full
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_entities_are_served_by_four_threads(family, tmp_path):
    kind = "ForTokenClassification"
    published_texts.make(tmp_path / "model", kind, family, LABELS)
    task = TokenClassifier.from_preset(tmp_path / "model", **RULES[0])
    task.export(tmp_path / "exported")
    batches = [TEXTS, TEXTS[:3], [LONG], []] * 3
    calls = [["serving_default", {"text": texts}] for texts in batches]
    results, _ = serve(tmp_path / "exported", calls)
    for texts, found in zip(batches, results, strict=True):
        check_entities(found, task(texts))


@pytest.mark.full
@pytest.mark.parametrize("family", ["bert", "roberta", "longformer"])
def test_answers_are_served_by_four_threads(family, tmp_path):
    kind = "ForQuestionAnswering"
    published_texts.make(tmp_path / "model", kind, family)
    task = QuestionAnswerer.from_preset(
        tmp_path / "model", handle_impossible_answer=True, **SEARCHES[0]
    )
    task.export(tmp_path / "exported")
    every = pairs(task.tokenizer)
    batches = [every, every[:2], every[-1:]] * 3
    calls = [
        ["serving_default", {"question": asked, "context": read}]
        for asked, read in (zip(*x, strict=True) for x in batches)
    ]
    results, errors = serve(tmp_path / "exported", calls)
    assert "half of max_length=48, tokens" in errors
    for batch, found in zip(batches, results, strict=True):
        check_answers(found, task(*zip(*batch, strict=True)))
