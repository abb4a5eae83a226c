"""Answers are those of the model of transformers, by the rules of SQuAD."""

import numpy as np
import pytest

from keras_attention import SpanPredictor, TransformerEncoder, tasks
from keras_attention.tasks import QuestionAnswerer
from keras_attention.tasks.tokens.spans import best_spans
from tests.tasks import published_texts, tiny
from tests.tools import near

LIMIT, STRIDE = 48, 11
PAIRS = [
    ("the cat", "the cat sat on the mat"),
    ("größer?", "Ça va größer , kamito !"),
    ("ka", "mi"),
    ("the cat ka to", "  THE   cat\tka mito 你好 😀"),
    ("to", "x" * 20 + " cat"),
    ("mi sen lo", " ".join(["the cat ka to mi, sen größer pa vel"] * 9)),
    ("the " * 6, " ".join(["ka to mi sen lo pa vel dor in the cat"] * 7)),
    ("dor", "don't stop-it (now)"),
    ("lo", "ka to mi sen lo pa vel dor in the cat " * 4),
    ("[MASK]", "the [SEP] cat"),
]


@pytest.fixture(
    scope="module",
    params=[
        "bert",
        *(
            pytest.param(family, marks=pytest.mark.full)
            for family in ("roberta", "longformer")
        ),
    ],
)
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / request.param
    made = published_texts.make(folder, "ForQuestionAnswering", request.param)
    return folder, *made


def softmax(x):
    x = np.exp(x - x.max())
    return x / x.sum()


def windows_of(model, tokenizer, question, context):
    """Yields for each window its first token in the context, how many there
    are, and the probabilities of starts and ends, the null token first."""
    import torch

    made = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=LIMIT,
        stride=STRIDE,
        return_overflowing_tokens=True,
    )
    first = 0
    for number, ids in enumerate(made["input_ids"]):
        tensors = {
            name: torch.tensor(made[name][number])[None]
            for name in tokenizer.model_input_names
        }
        with torch.no_grad():
            found = model(**tensors)
        kinds = made.sequence_ids(number)
        places = [0, *(i for i in range(len(ids)) if kinds[i] == 1)]
        yield (
            first,
            len(places) - 1,
            [
                softmax(logits[0].numpy()[places])
                for logits in (found.start_logits, found.end_logits)
            ],
        )
        first += len(places) - 1 - STRIDE


def expected_answers(found, max_length):
    """Finds all answers as SQuAD's evaluation does, span by span."""
    found, best = list(found), {}
    for number, (first, length, (start, end)) in enumerate(found):
        for i in range(length):
            for j in range(i, min(i + max_length, length)):
                sees = min(i, length - 1 - j) + 0.01 * length
                key = first + i, first + j
                score = start[1 + i] * end[1 + j]
                told = sees, -number, score
                best[key] = max(best.get(key, told), told)
    null = min(rows[0][0] * rows[1][0] for _, _, rows in found)
    answers = [(score, *key) for key, (*_, score) in best.items()]
    return sorted(answers, reverse=True), null


@pytest.mark.full
def test_answers_are_those_of_the_logits_of_transformers(published):
    folder, model, tokenizer = published
    task = QuestionAnswerer.from_preset(
        folder,
        top_k=3,
        stride=STRIDE,
        max_length=LIMIT,
        max_answer_length=6,
        handle_impossible_answer=True,
        align_to_words=False,
        batch_size=4,
    )
    for (question, context), found in zip(
        PAIRS, task(*zip(*PAIRS, strict=True)), strict=True
    ):
        seen = windows_of(model, tokenizer, question, context)
        expected, null = expected_answers(seen, 6)
        spans = tokenizer(
            context, add_special_tokens=False, return_offsets_mapping=True
        )["offset_mapping"]
        told = [(s, spans[i][0], spans[j][1]) for s, i, j in expected]
        told = sorted([*told, (null, 0, 0)], key=lambda x: -x[0])[:3]
        near([x["score"] for x in found], [x[0] for x in told])
        for answer, (_, start, end) in zip(found, told, strict=True):
            assert (answer["start"], answer["end"]) == (start, end)
            assert answer["answer"] == context[start:end]


def widened(answers, encoding, context):
    """Makes answers of spans of tokens as the pipeline of transformers does,
    which version 5 has no more: `(score, start, end)`."""
    found = {}
    for score, first, last in answers[:12]:
        words = encoding.token_to_word(first), encoding.token_to_word(last)
        spans = encoding["offset_mapping"]
        start, end = spans[first][0], spans[last][1]
        if None not in words:
            start = encoding.word_to_chars(words[0]).start
            end = encoding.word_to_chars(words[1]).end
        text = context[start:end].lower()
        found.setdefault(text, [0, start, end])[0] += score
    return max(found.values(), key=lambda x: x[0])


def test_answers_are_widened_to_words(published):
    folder, model, tokenizer = published
    task = QuestionAnswerer.from_preset(
        folder, stride=STRIDE, max_length=LIMIT, batch_size=4
    )
    found = task(*zip(*PAIRS, strict=True))
    differ = 0
    for (question, context), answer in zip(PAIRS, found, strict=True):
        seen = windows_of(model, tokenizer, question, context)
        answers, _ = expected_answers(seen, 15)
        encoding = tokenizer(
            context, add_special_tokens=False, return_offsets_mapping=True
        )
        score, start, end = widened(answers, encoding, context)
        near(answer["score"], score)
        assert (answer["start"], answer["end"]) == (start, end)
        assert answer["answer"] == context[start:end]
        _, first, last = answers[0]
        spans = encoding["offset_mapping"]
        differ += (spans[first][0], spans[last][1]) != (start, end)
    assert differ > 1


@pytest.mark.full
@pytest.mark.parametrize("options", [{}, {"top_k": 3}])
def test_answers_are_those_of_the_pipeline(published, options):
    package = pytest.importorskip("transformers", reason="the oracle")
    if not hasattr(package, "QuestionAnsweringPipeline"):
        pytest.skip("transformers 5 has no pipeline of questions; 4 has it")
    folder, model, tokenizer = published
    pipeline = published_texts.pipeline("question-answering", model, tokenizer)
    task = QuestionAnswerer.from_preset(folder, **options)
    for question, context in PAIRS:
        # In one window: of others the pipeline takes spans at edges too.
        context = context[:90]
        expected = pipeline(question=question, context=context, **options)
        found = task(question, context)
        several = [[x] if isinstance(x, dict) else x for x in (found, expected)]
        # Of short contexts the pipeline counts the first token, with 0.
        several[1] = [x for x in several[1] if x["score"]]
        for ours, theirs in zip(*several, strict=True):
            near(ours.pop("score"), theirs.pop("score"))
            assert ours == theirs


@pytest.mark.full
def test_a_saved_task_answers_the_same(published, tmp_path):
    folder, *_ = published
    task = QuestionAnswerer.from_preset(folder, max_length=48, stride=9)
    task.save(tmp_path / "task")
    loaded = tasks.load(tmp_path / "task")
    assert repr(loaded) == repr(task) and "SpanPredictor" in repr(task)
    for pair in PAIRS[:3]:
        ours, theirs = loaded(*pair), task(*pair)
        near(ours.pop("score"), theirs.pop("score"))
        assert ours == theirs and theirs["answer"] in pair[1]
    with pytest.raises(ValueError, match="context must hold .* at index 1"):
        task(["ka", "to"], ["mi", " "])
    with pytest.raises(ValueError, match="question must hold a word"):
        task("", "mi")
    with pytest.raises(ValueError, match="lists of one length.* 2 and 1"):
        task(["ka", "to"], ["mi"])
    # Several questions may be asked of one text.
    found = task(["ka", "to"], "mi dor")
    assert found == task(["ka", "to"], ["mi dor", "mi dor"])
    with pytest.raises(ValueError, match="context must be a list of strings"):
        task(["ka", "to"], 3)
    with pytest.warns(UserWarning, match="Cut 1 of 2 texts to 22, half of"):
        task(["ka", "to " * 50], ["mi", "mi"])


def test_a_span_at_an_edge_counts_where_more_is_seen_around_it():
    # Tokens 0 to 5 and 3 to 8: 3 and 4 stand in both.
    windows = [(0, 5), (3, 8)]
    logits = [np.zeros((6, 2)), np.zeros((6, 2))]
    logits[0][1 + 4] = 9  # the last token, of which the second sees more
    found, _ = best_spans(logits, windows, max_length=1, count=8)
    spans = [(first, last) for _, first, last in found]
    assert sorted(spans) == [(i, i) for i in range(8)]
    score = {first: score for score, first, _ in found}
    near(score[4], 1 / 36)


def test_what_does_not_fit_is_refused():
    model = SpanPredictor(TransformerEncoder(43, 1, 12, 3))
    with pytest.raises(ValueError, match="must have a template of pairs"):
        QuestionAnswerer(model, tiny.tokenizer())
    with pytest.raises(ValueError, match="must be a SpanPredictor"):
        QuestionAnswerer(model.encoder, tiny.tokenizer())
