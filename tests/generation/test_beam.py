import itertools

import numpy as np
import pytest
from keras import ops

from keras_attention.generation import beam_search, greedy_search
from tests.generation.fakes import FakeModel, numpy_beams, padded

VOCABULARY, LENGTH, END = 7, 11, 3
RAGGED = [
    [5, 1],
    [2, 6, 4, 1, 5],
    [4, 4, 2],
    [1, 1, 1, 6],
    [6, 2],
    [4, 2, 4],
    [5, 5, 5, 5, 5],
]


def search(model, rows, search=beam_search, **kwargs):
    prompt = padded(rows, max(map(len, rows)))
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    result = search(model.step, model.init_cache(len(rows)), prompt, **kwargs)
    return {k: ops.convert_to_numpy(v) for k, v in result.items()}


def exhaustive(model, prompt, penalty, max_length, end=END):
    """The best of all sequences that end, or have the maximum length."""
    found = []
    for count in range(1, max_length - len(prompt) + 1):
        for new in itertools.product(range(VOCABULARY), repeat=count):
            if end in new[:-1]:
                continue
            if new[-1] != end and len(prompt) + count < max_length:
                continue
            tokens = list(prompt)
            total = 0.0
            for token in new:
                total += model.log_probabilities(tokens)[token]
                tokens.append(token)
            found.append((total / count**penalty, tokens))
    return sorted(found, key=lambda pair: -pair[0])


def assert_found(result, expected, i):
    for beam, (score, tokens) in enumerate(expected):
        np.testing.assert_allclose(
            result["scores"][i, beam], score, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(
            result["token_ids"][i, beam], padded([tokens], LENGTH)[0]
        )


@pytest.mark.few
@pytest.mark.parametrize(
    "num_beams, penalty", [(2, -0.5), (3, 0.0), (2, 0.6), (5, 1.0), (3, 2.0)]
)
def test_all_beams_are_those_of_a_search_that_never_stops(num_beams, penalty):
    model = FakeModel(VOCABULARY, LENGTH, scale=1.0)
    result = search(
        model,
        RAGGED,
        num_beams=num_beams,
        length_penalty=penalty,
        return_all_beams=True,
        early_stopping="never",
    )
    for i, row in enumerate(RAGGED):
        expected = numpy_beams(model, row, num_beams, LENGTH, END, penalty)
        assert len(expected) == num_beams
        assert_found(result, expected, i)


@pytest.mark.parametrize("penalty", [-0.5, 0.6, 1.0])
def test_the_best_beam_is_the_same_when_only_it_is_wanted(penalty):
    model = FakeModel(VOCABULARY, LENGTH, seed=1, scale=1.0)
    result = search(
        model,
        RAGGED,
        num_beams=3,
        length_penalty=penalty,
        early_stopping="never",
    )
    result = {name: value[:, None] for name, value in result.items()}
    for i, row in enumerate(RAGGED):
        assert_found(
            result, numpy_beams(model, row, 3, LENGTH, END, penalty)[:1], i
        )


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_enough_beams_search_exhaustively(penalty):
    model = FakeModel(VOCABULARY, LENGTH, seed=4, scale=1.0)
    prompts = [[5, 1], [2, 6]]
    beams = (VOCABULARY - 1) ** 2 * VOCABULARY
    result = search(
        model,
        prompts,
        max_length=5,
        num_beams=beams,
        length_penalty=penalty,
        return_all_beams=True,
        early_stopping="never",
    )
    for i, row in enumerate(prompts):
        expected = exhaustive(model, row, penalty, 5)[:beams]
        scores = [score for score, _ in expected]
        np.testing.assert_allclose(
            result["scores"][i], scores, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(
            result["token_ids"][i, 0], padded([expected[0][1]], 5)[0]
        )


def test_one_beam_is_greedy_search():
    penalty = 0.7
    model = FakeModel(VOCABULARY, LENGTH, seed=1)
    greedy = search(model, RAGGED, greedy_search)
    result = search(model, RAGGED, num_beams=1, length_penalty=penalty)
    np.testing.assert_array_equal(result["token_ids"], greedy["token_ids"])
    for i, row in enumerate(RAGGED):
        count = (greedy["token_ids"][i] != 0).sum() - len(row)
        np.testing.assert_allclose(
            result["scores"][i], greedy["scores"][i] / count**penalty, rtol=1e-5
        )
    beams = search(model, RAGGED, num_beams=1, return_all_beams=True)
    assert beams["token_ids"].shape == (7, 1, LENGTH)
    assert beams["scores"].shape == (7, 1)
    np.testing.assert_array_equal(beams["token_ids"][:, 0], greedy["token_ids"])


def test_memory_is_repeated_for_the_beams_and_stays_with_its_row():
    model = FakeModel(VOCABULARY, LENGTH, seed=3, scale=1.0)
    states = np.random.default_rng(1).normal(size=(7, 5)).astype("float32")
    memory = {"source": {"state": ops.convert_to_tensor(states)}}
    result = search(
        model, RAGGED, num_beams=3, memory=memory, return_all_beams=True
    )

    class WithMemory:
        def log_probabilities(self, token_ids):
            return model.log_probabilities(token_ids, states[i])

    for i, row in enumerate(RAGGED):
        assert_found(result, numpy_beams(WithMemory(), row, 3, LENGTH, END), i)


def test_more_beams_than_hypotheses_leave_empty_ones():
    model = FakeModel(VOCABULARY, LENGTH)
    result = search(
        model, [[1, 2]], max_length=3, num_beams=11, return_all_beams=True
    )
    assert np.isfinite(result["scores"][0, :VOCABULARY]).all()
    assert (result["scores"][0, VOCABULARY:] == -np.inf).all()
    assert (result["token_ids"][0, VOCABULARY:] == [1, 2, 0]).all()
    assert sorted(result["token_ids"][0, :VOCABULARY, 2]) == list(
        range(VOCABULARY)
    )


def test_a_prompt_of_the_maximum_length_comes_back():
    model = FakeModel(VOCABULARY, LENGTH)
    result = search(model, [[1] * LENGTH, [2] * (LENGTH - 2)], num_beams=2)
    np.testing.assert_array_equal(result["token_ids"][0], [1] * LENGTH)
    assert result["scores"][0] == 0
    assert result["scores"][1] < 0


@pytest.mark.parametrize("stop, most", [("never", 2), (False, 4), (True, 4)])
def test_stops_early_where_nothing_can_be_gained(stop, most):
    calls = []

    def step(token_ids, cache, memory, start):
        calls.append(1)
        logits = np.full((VOCABULARY,), -9.0, "float32")
        logits[END] = 0.0
        logits = ops.convert_to_tensor(logits)[None]
        return ops.repeat(logits, ops.shape(token_ids)[0], axis=0), cache

    cache = {"a": ops.zeros((1, 1))}
    result = beam_search(
        step,
        cache,
        [[1]],
        max_length=500,
        end_id=END,
        num_beams=3,
        length_penalty=0.0,
        early_stopping=stop,
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(result["token_ids"])[0, :3], [1, END, 0]
    )
    assert len(calls) <= most


@pytest.mark.full
@pytest.mark.parametrize("stop", [True, False, "never"])
def test_a_complete_row_takes_nothing_more_while_others_go_on(stop):
    model = FakeModel(VOCABULARY, LENGTH, scale=1.0)
    rows = list(itertools.product(range(1, VOCABULARY), repeat=2))
    kwargs = {"num_beams": 3, "return_all_beams": True, "early_stopping": stop}
    together = search(model, rows, **kwargs)
    for i in range(0, len(rows), 5):
        alone = search(model, rows[i : i + 1], **kwargs)
        np.testing.assert_array_equal(
            alone["token_ids"][0], together["token_ids"][i]
        )
        np.testing.assert_allclose(
            alone["scores"][0], together["scores"][i], rtol=1e-5
        )


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": 2.0}, "num_beams"),
        ({"num_beams": True}, "num_beams"),
        ({"num_beams": 2, "length_penalty": None}, "length_penalty"),
        ({"num_beams": 2, "length_penalty": "1"}, "length_penalty"),
        ({"num_beams": 2, "length_penalty": True}, "length_penalty"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "length_penalty"),
        ({"num_beams": 1, "length_penalty": float("nan")}, "length_penalty"),
        ({"num_beams": 2, "length_penalty": float("-inf")}, "length_penalty"),
        ({"num_beams": 2, "return_all_beams": "false"}, "return_all_beams"),
        ({"num_beams": 2, "early_stopping": "soon"}, "early_stopping"),
        ({"num_beams": 2, "early_stopping": 1}, "early_stopping"),
        ({"num_beams": 2, "end_id": VOCABULARY}, "end_id"),
        ({"num_beams": 2, "end_id": 2.5}, "end_id.*an integer from"),
        ({"num_beams": 2, "max_length": 1}, "max_length"),
    ],
)
def test_refuses_what_does_not_fit(kwargs, message):
    with pytest.raises(ValueError, match=message):
        search(FakeModel(VOCABULARY, LENGTH), [[1, 2]], **kwargs)
