"""Results that may not end too early nor repeat themselves."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from keras import ops

from keras_attention.generation import beam_search, greedy_search, sample
from keras_attention.generation.constraints import Constraints
from keras_attention.generation.logits_processors import (
    completes_ngram,
    make_processor,
)
from keras_attention.generation.prompts import read_prompt
from tests.generation.fakes import (
    FakeModel,
    Restrained,
    ngrams,
    numpy_beams,
    numpy_greedy,
    padded,
)
from tests.tools import to_numpy

VOCABULARY, LENGTH, END = 7, 13, 3
RAGGED = [[5, 1], [2, 6, 4, 1, 2], [4, 4, 2], [5, 5, 5, 5, 5]]
LIMITS = [
    {"min_length": 7},
    {"min_length": LENGTH},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"min_length": 9, "no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": LENGTH + 2},
]
limits = pytest.mark.parametrize("limits", LIMITS, ids=str)


def search(model, rows, search=greedy_search, **kwargs):
    prompt = padded(rows, max(map(len, rows)))
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    result = search(model.step, model.init_cache(len(rows)), prompt, **kwargs)
    return to_numpy(result)


def own(row, prompt):
    """The tokens of a result up to its end, prompt included."""
    row = row.tolist()
    ends = [i for i in range(len(prompt), len(row)) if row[i] == END]
    return row[: ends[0] + 1] if ends else row


def check(row, prompt, min_length=0, no_repeat_ngram_size=0):
    """The rules, for a result that filled its row or ended with the token."""
    assert row[: len(prompt)].tolist() == prompt
    tokens = own(row, prompt)
    assert END not in tokens[len(prompt) : min_length]
    if no_repeat_ngram_size:
        for length in range(len(prompt) + 1, len(tokens) + 1):
            *seen, last = ngrams(tokens[:length], no_repeat_ngram_size) or [0]
            assert last not in seen


@pytest.mark.few
@limits
@pytest.mark.parametrize("seed", [5, 6])
def test_greedy_search_takes_the_best_of_what_is_left(limits, seed):
    model = FakeModel(VOCABULARY, LENGTH, seed=seed)
    result = search(model, RAGGED, **limits)
    restrained = Restrained(model, END, **limits)
    for i, row in enumerate(RAGGED):
        token_ids, _ = numpy_greedy(
            restrained.log_probabilities, row, LENGTH, END
        )
        np.testing.assert_array_equal(
            result["token_ids"][i], padded([token_ids], LENGTH)[0]
        )
        # The probabilities are those of the model, whatever is left.
        score = sum(
            model.log_probabilities(token_ids[:n])[token_ids[n]]
            for n in range(len(row), len(token_ids))
        )
        np.testing.assert_allclose(result["scores"][i], score, rtol=1e-4)
        check(result["token_ids"][i], row, **limits)


@pytest.mark.few
@limits
@pytest.mark.parametrize("num_beams, penalty", [(2, 0.0), (3, 1.0)])
def test_beams_are_those_of_a_model_that_cannot_say_it(
    limits, num_beams, penalty
):
    model = FakeModel(VOCABULARY, LENGTH, seed=5, scale=1.0)
    result = search(
        model,
        RAGGED,
        beam_search,
        num_beams=num_beams,
        length_penalty=penalty,
        early_stopping="never",
        return_all_beams=True,
        **limits,
    )
    restrained = Restrained(model, END, **limits)
    for i, row in enumerate(RAGGED):
        expected = numpy_beams(restrained, row, num_beams, LENGTH, END, penalty)
        assert len(expected) == num_beams
        for beam, (score, tokens) in enumerate(expected):
            np.testing.assert_allclose(
                result["scores"][i, beam], score, rtol=1e-4, atol=1e-5
            )
            np.testing.assert_array_equal(
                result["token_ids"][i, beam], padded([tokens], LENGTH)[0]
            )
            check(result["token_ids"][i, beam], row, **limits)


def test_the_rules_change_what_comes_out():
    model = FakeModel(VOCABULARY, LENGTH, seed=6)
    for strategy, kwargs in (
        (greedy_search, {}),
        (sample, {"seed": 1}),
        (beam_search, {"num_beams": 3}),
    ):
        plain = search(model, RAGGED, strategy, **kwargs)["token_ids"]
        for limits in ({"min_length": 11}, {"no_repeat_ngram_size": 2}):
            with pytest.raises(AssertionError):
                for row, prompt in zip(plain, RAGGED, strict=True):
                    check(row, prompt, **limits)


@pytest.mark.few
@limits
@pytest.mark.parametrize("filters", [{}, {"top_k": 2}, {"top_p": 0.7}])
def test_samples_keep_the_rules_behind_their_filters(limits, filters):
    model = FakeModel(VOCABULARY, LENGTH, seed=6)
    rows = [*RAGGED, [1], [2], [4], [5], [6]]
    result = search(model, rows, sample, seed=7, **filters, **limits)
    for row, prompt in zip(result["token_ids"], rows, strict=True):
        check(row, prompt, **limits)
    assert np.isfinite(result["scores"]).all()


@pytest.mark.full
def test_samples_fill_their_filters_with_what_is_left():
    # Of the most probable token alone, the next one is drawn.
    model = FakeModel(VOCABULARY, LENGTH, seed=2)
    limits = {"min_length": 9, "no_repeat_ngram_size": 2}
    result = search(model, RAGGED, sample, seed=1, top_k=1, **limits)
    greedy = search(model, RAGGED, **limits)
    np.testing.assert_array_equal(result["token_ids"], greedy["token_ids"])


@hypothesis.given(
    rows=st.lists(
        st.lists(st.integers(0, 4), min_size=11, max_size=11),
        min_size=3,
        max_size=3,
    ),
    position=st.integers(1, 11),
    size=st.integers(1, 13),
)
def test_what_completes_an_ngram_is_what_followed(rows, position, size):
    marked = to_numpy(
        completes_ngram(ops.convert_to_tensor(rows), position, size, 5)
    )
    for row, found in zip(rows, marked, strict=True):
        tokens = row[:position]
        expected = [
            (ngrams([*tokens, token], size) or [None])[-1]
            in ngrams(tokens, size)
            for token in range(5)
        ]
        assert found.tolist() == expected


def test_tokens_beyond_the_vocabulary_mark_nothing():
    rows = ops.convert_to_tensor([[1, 9, 1, 2, 1, 0]])
    marked = to_numpy(completes_ngram(rows, 5, 2, 3))
    np.testing.assert_array_equal(marked, [[False, False, True]])


def test_without_rules_nothing_is_computed():
    prompt = read_prompt([[1]], max_length=LENGTH, padding_id=0)
    assert make_processor(Constraints(), prompt, (END,)) is None
    # What never ends has every length there is.
    assert make_processor(Constraints(min_length=5), prompt) is None


def test_padding_is_a_token_like_others_where_a_model_says_it():
    def step(token_ids, cache, memory, start):
        logits = ops.convert_to_tensor([[4.0, 3.0, 2.0, 1.0, 0.0]])
        return ops.repeat(logits, ops.shape(token_ids)[0], axis=0), cache

    result = greedy_search(
        step,
        {"a": ops.zeros((1, 1))},
        [[4]],
        max_length=7,
        end_id=3,
        no_repeat_ngram_size=1,
    )
    found = to_numpy(result["token_ids"])
    np.testing.assert_array_equal(found, [[4, 0, 1, 2, 3, 0, 0]])


@pytest.mark.parametrize("end_id, min_length", [(None, 0), (END, LENGTH)])
def test_where_no_token_is_left_a_row_ends_as_it_is(end_id, min_length):
    model = FakeModel(VOCABULARY, LENGTH)
    limits = {"min_length": min_length, "no_repeat_ngram_size": 1}
    most = VOCABULARY - (end_id is not None)
    rows = [[5, 1], [2, 6, 4]]
    for strategy, kwargs in (
        (greedy_search, {}),
        (sample, {"seed": 3}),
        (beam_search, {"num_beams": 1, "length_penalty": 0.0}),
    ):
        result = search(
            model, rows, strategy, end_id=end_id, **kwargs, **limits
        )
        for row, prompt, total in zip(
            result["token_ids"], rows, result["scores"], strict=True
        ):
            row = row.tolist()
            assert len(set(row[:most])) == most and row[: len(prompt)] == prompt
            assert not any(row[most:])
            score = sum(
                model.log_probabilities(row[:n])[row[n]]
                for n in range(len(prompt), most)
            )
            np.testing.assert_allclose(total, score, rtol=1e-4)


@pytest.mark.parametrize("stop", [True, False, "never"])
def test_beams_that_lead_nowhere_are_lost(stop):
    model = FakeModel(VOCABULARY, LENGTH)
    rows = [[5, 1], [2, 6, 4]]
    kwargs = {
        "num_beams": 3,
        "early_stopping": stop,
        "return_all_beams": True,
        "no_repeat_ngram_size": 1,
    }
    result = search(model, rows, beam_search, end_id=None, **kwargs)
    assert (result["scores"] == -np.inf).all()
    for found, prompt in zip(result["token_ids"], rows, strict=True):
        np.testing.assert_array_equal(found, padded([prompt] * 3, LENGTH))
    # With an end token, it is the last that is left.
    result = search(model, rows, beam_search, **kwargs)
    assert np.isfinite(result["scores"]).any(axis=1).all()


@pytest.mark.full
def test_a_row_does_not_depend_on_those_beside_it():
    model = FakeModel(VOCABULARY, LENGTH, seed=5, scale=1.0)
    limits = {"min_length": 9, "no_repeat_ngram_size": 2}
    for strategy, kwargs in (
        (greedy_search, {}),
        (beam_search, {"num_beams": 3}),
    ):
        kwargs = {**kwargs, **limits}
        together = search(model, RAGGED, strategy, **kwargs)
        for i, row in enumerate(RAGGED[:2]):
            alone = search(model, [row], strategy, **kwargs)
            np.testing.assert_array_equal(
                alone["token_ids"][0], together["token_ids"][i]
            )


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"min_length": -1}, "min_length=-1"),
        ({"min_length": 2.0}, "min_length=2.0"),
        ({"min_length": True}, "min_length=True"),
        ({"min_length": LENGTH + 1}, "min_length=14, max_length=13"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size=-1"),
        ({"no_repeat_ngram_size": None}, "no_repeat_ngram_size=None"),
    ],
)
def test_refuses_rules_that_make_no_sense(limits, message):
    for strategy, kwargs in (
        (greedy_search, {}),
        (sample, {"seed": 1}),
        (beam_search, {"num_beams": 2}),
    ):
        with pytest.raises(ValueError, match=message):
            search(
                FakeModel(VOCABULARY, LENGTH),
                [[1, 2]],
                strategy,
                **kwargs,
                **limits,
            )
