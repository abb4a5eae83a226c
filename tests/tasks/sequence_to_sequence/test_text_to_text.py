"""What a `TextToText` answers, against the model fed with whole sequences."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LearnedEncoding
from keras_attention.generation import beam_search
from keras_attention.tasks import TextToText
from tests.generation.fakes import ngrams
from tests.tasks import tiny
from tests.tools import to_numpy

END_ID, START_ID = 3, 2
IS_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def task():
    return tiny.task(length_penalty=0.6)


@pytest.fixture(scope="module")
def single():
    return tiny.task(num_beams=1, length_penalty=0.6)


def log_probabilities(task, text, target_ids):
    """Of each next token, `(len(target_ids), vocabulary_size)`, in float64."""
    source_ids = [*task.source_tokenizer.encode([text])[0], END_ID]
    logits = task.model(
        {
            "source_ids": ops.convert_to_tensor([source_ids]),
            "target_ids": ops.convert_to_tensor([target_ids]),
        }
    )
    logits = ops.convert_to_numpy(logits)[0].astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def without_padding(row):
    ends = np.flatnonzero(row == END_ID)
    return row[: ends[0] + 1].tolist() if ends.size else row.tolist()


def check_same(actual, expected):
    np.testing.assert_array_equal(actual[0], expected[0])
    np.testing.assert_allclose(actual[1], expected[1], atol=1e-5)


def test_a_string_gives_a_string_and_a_list_a_list_in_its_order(task):
    texts = tiny.sentences(7)
    outputs = task(texts)
    assert len(set(outputs)) > 3
    assert task(texts[4]) == outputs[4]
    assert task(tuple(texts)) == task(iter(texts)) == outputs
    answers = task(texts, return_scores=True)
    assert [x["text"] for x in answers] == outputs
    scores = [x["score"] for x in answers]
    np.testing.assert_allclose(scores, task.generate(texts)[1], atol=1e-5)
    assert task(texts[4], return_scores=True)["text"] == outputs[4]


def test_no_texts_give_no_outputs(task):
    assert task([]) == []
    token_ids, scores = task.generate([])
    assert token_ids.shape == (0, 17) and scores.shape == (0,)


def test_ids_start_end_and_are_padded(task):
    token_ids, _ = task.generate(tiny.sentences(11))
    assert token_ids.dtype == "int32" and token_ids.shape == (11, 17)
    assert (token_ids[:, 0] == START_ID).all()
    lengths = [len(without_padding(row)) for row in token_ids]
    assert len(set(lengths)) > 3 and max(lengths) == 17
    for row, length in zip(token_ids, lengths, strict=True):
        assert not row[length:].any()


def test_the_text_is_what_stands_between_start_and_end(task):
    texts = tiny.sentences(5)
    token_ids, _ = task.generate(texts)
    inner = [
        [i for i in without_padding(row)[1:] if i != END_ID]
        for row in token_ids
    ]
    assert task(texts) == task.target_tokenizer.decode(inner)


def check_against_whole_passes(task, texts, is_greedy=False):
    penalty = task.settings["length_penalty"]
    token_ids, scores = task.generate(texts)
    for text, row, score in zip(texts, token_ids, scores, strict=True):
        row = without_padding(row)
        table = log_probabilities(task, text, row[:-1])
        total = table[np.arange(len(row) - 1), row[1:]].sum()
        expected = total / (len(row) - 1) ** penalty
        assert score == pytest.approx(expected, abs=1e-5)
        if is_greedy:
            assert row[1:] == table.argmax(axis=1).tolist()


@pytest.mark.full
def test_one_beam_takes_the_most_probable_token_each_time(single):
    texts = tiny.sentences(5, seed=3)
    check_against_whole_passes(single, texts, is_greedy=True)


def test_scores_are_log_probabilities_over_the_length(task):
    check_against_whole_passes(task, tiny.sentences(5, seed=3))


@pytest.mark.full
@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_recurrent_model_answers_as_its_whole_passes(num_beams, tmp_path):
    task = tiny.task(make=tiny.recurrent_model, num_beams=num_beams)
    texts = tiny.sentences(5, seed=3)
    assert len(set(task(texts))) > 2
    check_against_whole_passes(task, texts, is_greedy=num_beams == 1)
    together = task.generate(texts)
    check_same(task.generate(texts[:1]), [part[:1] for part in together])
    task.save(tmp_path / "task")
    check_same(TextToText.load(tmp_path / "task").generate(texts), together)


@pytest.mark.full
def test_beams_find_better_than_greedy(task, single):
    texts = tiny.sentences(23, seed=6)
    gain = task.generate(texts)[1] - single.generate(texts)[1]
    assert gain.mean() > 0.05


@pytest.mark.full
def test_outputs_do_not_depend_on_what_else_is_asked(task):
    texts = [*tiny.sentences(7, seed=8), "", "a"]
    together = task.generate(texts)
    alone = [task.generate([text]) for text in texts]
    check_same(
        [np.concatenate(parts) for parts in zip(*alone, strict=True)], together
    )
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = task.generate([texts[i] for i in order])
    check_same(shuffled, [part[order] for part in together])
    task.settings["batch_size"] = 2
    check_same(task.generate(texts), together)
    task.settings["batch_size"] = 5


@pytest.mark.full
def test_compiling_with_xla_changes_nothing(task):
    texts = tiny.sentences(7, seed=8, longest=5)
    compiled = tiny.task(jit_compile=True, batch_size=7, length_penalty=0.6)
    check_same(compiled.generate(texts), task.generate(texts))


def test_awkward_texts_are_taken_as_they_are(task):
    outputs = task(tiny.AWKWARD)
    assert all(isinstance(output, str) for output in outputs)
    assert outputs[2] == task("two spaces"), "spaces are one"


def test_texts_of_nul_alone_are_empty(task):
    blank = ["\0", "\0\0\0", " \0\n\x01\0\x7f", ""]
    assert task(blank) == ["", "", "", ""] and task("\0") == ""
    assert task.generate(blank)[1].tolist() == [0, 0, 0, 0]
    tokens = task.attention_inputs(blank)[2]["source_ids"]
    assert tokens == [["</s>"]] * 4
    pieces = task.source_tokenizer.pieces
    visible = task.attention_inputs(["a\0"])[2]["source_ids"][0]
    assert visible[:-1] == pieces(task.source_tokenizer.encode(["a\0"]))[0]


@pytest.mark.full
def test_texts_that_are_too_long_are_cut_with_one_warning():
    task = tiny.task(max_source_length=7)
    encode = task.source_tokenizer.encode
    longest = next(t for t in tiny.sentences(99) if len(encode([t])[0]) == 6)
    task([longest])  # the end is the seventh token: nothing to warn of
    texts = ["cat", longest + " red cat", longest + " dog", ""]
    with pytest.warns(UserWarning, match="Cut 2 of 4 texts to .*=7") as seen:
        token_ids, _ = task.generate(texts)
    assert sum("Cut" in str(warning.message) for warning in seen) == 1
    np.testing.assert_array_equal(token_ids[1], token_ids[2])
    np.testing.assert_array_equal(token_ids[1], task.generate([longest])[0][0])


@pytest.mark.full
def test_weights_that_change_later_count(single):
    texts = tiny.sentences(3)
    before, weights = single(texts), single.model.get_weights()
    single.model.set_weights(tiny.model(seed=8).get_weights())
    assert single(texts) != before
    check_against_whole_passes(single, texts, is_greedy=True)
    single.model.set_weights(weights)


@pytest.mark.full
def test_ids_that_the_tokenizer_lacks_are_unknown():
    task = tiny.task({"vocabulary_size": 61})
    texts = tiny.sentences(11)
    token_ids, _ = task.generate(texts)
    assert (token_ids >= 43).any()
    assert "⁇" in "".join(task(texts))


@pytest.mark.full
@pytest.mark.parametrize(
    "dtype",
    ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)],
)
def test_half_precision_gives_scores_in_float32(dtype):
    task = tiny.task({"dtype": dtype})
    token_ids, scores = task.generate(tiny.sentences(3))
    assert scores.dtype == "float32" and np.isfinite(scores).all()
    assert (token_ids[:, 1:] > 0).any(axis=1).all()


@pytest.mark.full
@pytest.mark.skipif(not IS_TENSORFLOW, reason="only TensorFlow traces so")
def test_one_trace_serves_all_shapes():
    task = tiny.task()
    calls = []
    init_memory = task.model.init_memory
    task.model.init_memory = lambda *a: calls.append(a) or init_memory(*a)
    for count in (1, 3, 5, 7):
        task(tiny.sentences(count, seed=count))
    assert len(calls) == 1


@pytest.mark.full
def test_vocabularies_that_do_not_fit_are_refused():
    pieces, model = tiny.tokenizer(), tiny.model(43, target_size=41)
    with pytest.raises(ValueError, match="target_tokenizer has 43.* 41"):
        TextToText(model, pieces, pieces)
    with pytest.raises(ValueError, match="source_tokenizer has 43.* 37"):
        TextToText(tiny.model(37), pieces, pieces)


@pytest.mark.full
def test_a_padding_id_that_the_model_does_not_mask_is_refused():
    model = tiny.model(
        embedding={
            "class_name": "keras_attention>TokenEmbedding",
            "config": {
                "vocabulary_size": 43,
                "hidden_dim": 22,
                "padding_id": 5,
            },
        }
    )
    pieces = tiny.tokenizer()
    with pytest.raises(ValueError, match="source_tokenizer.*padding_id.*5"):
        TextToText(model, pieces, pieces)


@pytest.mark.few
@pytest.mark.parametrize(
    "settings",
    [
        {"max_source_length": 1},
        {"max_length": 1},
        {"max_length": 12.0},
        {"num_beams": 0},
        {"num_beams": True},
        {"length_penalty": "1"},
        {"batch_size": 0},
        {"min_length": -1},
        {"min_length": 18},
        {"no_repeat_ngram_size": 2.0},
        {"jit_compile": "yes"},
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_named(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name}.*Received.*{value}"):
        tiny.task(**settings)


@pytest.mark.full
def test_lengths_up_to_the_positions_of_the_model_are_taken():
    learned = {"position": LearnedEncoding(max_length=19)}
    lengths = {"max_source_length": 19, "max_length": 19}
    task = tiny.task(learned, **lengths)
    with pytest.warns(UserWarning, match="Cut 1 of 1"):
        assert task("a man " * 18)
    for name in lengths:
        with pytest.raises(ValueError, match=f"{name} takes 20.*=19"):
            tiny.task(learned, **{**lengths, name: 20})


def test_what_is_not_text_is_refused(task):
    with pytest.raises(ValueError, match="strings.*None at index 1"):
        task(["a", None])
    with pytest.raises(ValueError, match="strings.*b'a' at index 0"):
        task([b"a"])
    with pytest.raises(ValueError, match="Unicode.*index 0"):
        task("half a pair \ud83d")
    with pytest.raises(ValueError, match="a list of strings"):
        task.generate("a")


def test_an_empty_text_stays_empty(task):
    texts = ["", tiny.sentences(1)[0], " "]
    outputs = task(texts)
    assert outputs[0] == outputs[2] == "" and outputs[1] == task(texts[1])
    assert task("") == ""


def lengths_of(task, texts):
    return [len(without_padding(row)) for row in task.generate(texts)[0]]


@pytest.mark.full
def test_outputs_have_a_minimum_length(task):
    texts = [*tiny.sentences(11), ""]
    lengths = lengths_of(task, texts)
    assert sum(length < 13 for length in lengths) > 3
    *lengths, empty = lengths_of(tiny.task(min_length=13), texts)
    assert min(lengths) == 13 and empty == 2


@pytest.mark.full
def test_outputs_of_one_length_may_end():
    task = tiny.task(min_length=17)
    ends = (task.generate(tiny.sentences(11))[0] == END_ID).argmax(axis=1)
    assert set(ends) == {0, 16}, "none before the last, where some have one"


@pytest.mark.full
@pytest.mark.parametrize("num_beams, size", [(1, 3), (3, 2)])
def test_outputs_do_not_repeat_themselves(num_beams, size):
    def count_repeats(task):
        rows = [without_padding(row) for row in task.generate(texts)[0]]
        counts = [ngrams(row, size) for row in rows]
        return sum(len(found) - len(set(found)) for found in counts)

    texts = tiny.sentences(11)
    settings = {"num_beams": num_beams, "min_length": 15}
    assert count_repeats(tiny.task(**settings)) > 0
    task = tiny.task(no_repeat_ngram_size=size, **settings)
    assert count_repeats(task) == 0


@pytest.mark.full
@pytest.mark.parametrize("make", [tiny.model, tiny.recurrent_model])
def test_limits_are_those_of_the_search(make):
    task = tiny.task(make=make, min_length=11, no_repeat_ngram_size=2)
    text = tiny.sentences(1, seed=3)[0]
    source_ids = [*task.source_tokenizer.encode([text])[0], END_ID]
    expected = beam_search(
        task.model.step,
        task.model.init_cache(1, 17),
        [[START_ID]],
        max_length=17,
        end_id=END_ID,
        num_beams=3,
        # What stands before the end.
        min_length=10,
        no_repeat_ngram_size=2,
        memory=task.model.init_memory(ops.convert_to_tensor([source_ids])),
    )
    expected = to_numpy([expected["token_ids"], expected["scores"]])
    check_same(task.generate([text]), expected)


@pytest.mark.full
def test_what_a_model_copies_does_not_depend_on_what_else_is_asked():
    limits = {"min_length": 7, "no_repeat_ngram_size": 3}
    task = tiny.task({"copy_generator": True}, **limits)
    texts = [*tiny.sentences(7, seed=8), ""]
    together = task.generate(texts)
    for i in range(3):
        alone = task.generate(texts[i : i + 1])
        check_same(alone, [part[i : i + 1] for part in together])
    task.settings["batch_size"] = 2
    check_same(task.generate(texts), together)
    outputs = task(texts)
    assert outputs == task.decode(together[0]) and len(set(outputs)) > 3
    assert outputs[0] == task(texts[0])


@pytest.mark.full
def test_a_model_that_copies(tmp_path):
    task = tiny.task({"copy_generator": True})
    texts = tiny.sentences(4)
    token_ids, scores = task.generate(texts)
    lengths = [len(without_padding(row)) for row in token_ids]
    for row, score, text, length in zip(
        token_ids, scores, texts, lengths, strict=True
    ):
        logs = log_probabilities(task, text, row[: length - 1].tolist())
        picked = logs[np.arange(length - 1), row[1:length]]
        np.testing.assert_allclose(picked.mean(), score, atol=1e-4)
    task.save(tmp_path / "task")
    again = TextToText.load(tmp_path / "task")
    check_same(again.generate(texts), (token_ids, scores))
    with pytest.raises(ValueError, match="copy_generator needs one tokenizer"):
        TextToText(
            task.model,
            tiny.tokenizer(43),
            tiny.tokenizer(41),
            max_source_length=37,
            max_length=17,
        )
