"""Tokens that are forced, forbidden or penalized, beside lists in NumPy."""

import keras
import numpy as np
import pytest

from keras_attention.generation import beam_search, greedy_search, sample
from keras_attention.generation.sampling import keep_min_p
from tests.generation.fakes import (
    FakeModel,
    numpy_beams,
    numpy_greedy,
    padded,
)
from tests.tools import to_numpy

VOCABULARY, LENGTH, END = 7, 13, 3
RAGGED = [[5], [2, 6, 4, 1], [4, 4, 2]]
RULES = [
    {"suppressed_ids": [1, 5], "suppressed_first_ids": [0, 2, 4]},
    {"bad_words": [[0], [4, 6], [6, 6, 6], [1, 1], [END]]},
    {"forced_first_id": 6, "suppressed_first_ids": [0, 1, 2], "min_length": 4},
    {"forced_last_id": 2, "forced_ids": {4: 5, 6: END}},
    {"max_new_tokens": 6, "forced_last_id": END, "min_new_tokens": 6},
]
rules = pytest.mark.parametrize("given", RULES, ids=lambda x: next(iter(x)))


class Ruled:
    """A model whose log-probabilities obey the rules for one prompt."""

    def __init__(self, model, prompt, limit, **given):
        self.model, self.prompt, self.limit = model, len(prompt), limit
        self.given = given

    def log_probabilities(self, token_ids):
        scores = self.model.log_probabilities(token_ids)
        place, given = len(token_ids), self.given
        penalty = given.get("repetition_penalty", 1.0)
        for token in set(token_ids):
            scores[token] *= penalty
        banned = set(given.get("suppressed_ids", ()))
        first = self.prompt
        if "forced_first_id" in given and first == 1:
            first = 2
        if place == first:
            banned |= set(given.get("suppressed_first_ids", ()))
        for word in given.get("bad_words", ()):
            tail = token_ids[place - len(word) + 1 :]
            if word != [END] and tail == word[:-1]:
                banned.add(word[-1])
        least = self.prompt + given.get("min_new_tokens", 0)
        if place < max(least, given.get("min_length", 0)):
            banned.add(END)
        scores[list(banned)] = -np.inf
        forced = given.get("forced_ids", {}).get(place)
        if place == 1:
            forced = given.get("forced_first_id", forced)
        if place == self.limit - 1:
            forced = given.get("forced_last_id", forced)
        if forced is not None:
            scores[:] = -np.inf
            scores[forced] = 0.0
        return scores


def ruled(model, prompt, given):
    limit = len(prompt) + given.get("max_new_tokens", LENGTH)
    limit = min(LENGTH, limit)
    return Ruled(model, prompt, limit, **given), limit


def search(function, model, **given):
    result = function(
        model.step,
        model.init_cache(len(RAGGED)),
        padded(RAGGED, 4),
        **{"max_length": LENGTH, "end_id": END, **given},
    )
    return to_numpy(result)


@pytest.mark.few
@rules
def test_greedy_search_keeps_the_rules(given):
    model = FakeModel(VOCABULARY, LENGTH, seed=5)
    result = search(greedy_search, model, **given)
    plain = search(greedy_search, model)
    assert (plain["token_ids"] != result["token_ids"]).any()
    for found, prompt in zip(result["token_ids"], RAGGED, strict=True):
        reference, limit = ruled(model, prompt, given)
        expected, _ = numpy_greedy(
            reference.log_probabilities, prompt, limit, END
        )
        assert found.tolist() == padded([expected], LENGTH)[0].tolist()


@pytest.mark.parametrize(
    "given",
    [
        {"repetition_penalty": 1.6},
        *[pytest.param(given, marks=pytest.mark.full) for given in RULES],
    ],
    ids=lambda x: next(iter(x)),
)
def test_beams_keep_the_rules(given):
    model = FakeModel(VOCABULARY, LENGTH, seed=5, scale=1.0)
    options = {"num_beams": 3, "early_stopping": "never"}
    result = search(beam_search, model, **options, **given)
    for i, prompt in enumerate(RAGGED):
        reference, limit = ruled(model, prompt, given)
        score, expected = numpy_beams(reference, prompt, 3, limit, END)[0]
        found = result["token_ids"][i].tolist()
        assert found == padded([expected], LENGTH)[0].tolist()
        np.testing.assert_allclose(result["scores"][i], score, rtol=1e-4)


@pytest.mark.full
@rules
def test_samples_keep_the_rules(given):
    model = FakeModel(VOCABULARY, LENGTH, seed=5, scale=0.5)
    result = search(sample, model, seed=3, **given)
    for found, prompt in zip(result["token_ids"], RAGGED, strict=True):
        reference, limit = ruled(model, prompt, given)
        tokens = list(prompt)
        for token in found[len(prompt) : limit].tolist():
            if tokens[len(prompt) :][-1:] == [END]:
                assert token == 0
                continue
            assert reference.log_probabilities(tokens)[token] > -np.inf
            tokens.append(token)


@pytest.mark.parametrize(
    "function",
    [greedy_search, pytest.param(beam_search, marks=pytest.mark.full)],
)
def test_any_of_several_ids_ends_a_row(function):
    model = FakeModel(VOCABULARY, LENGTH, seed=5)
    options = {"num_beams": 2} if function is beam_search else {}
    (one, *_), several = (
        search(function, model, **{**options, "end_id": ends})["token_ids"]
        for ends in ([END], [END, 1, 2, 4])
    )
    for found, prompt in zip(several, RAGGED, strict=True):
        new = found[len(prompt) :]
        places = np.flatnonzero(np.isin(new, [END, 1, 2, 4]))
        assert not new[places[0] + 1 :].any()
    assert several[0].tolist() != one.tolist()


def test_as_many_beams_run_on_as_there_are_though_several_ids_end_others():
    def step(token_ids, cache, memory, start):
        shares = [[0.3, 0.25, 0.2, 0.13, 0.12]]
        logits = keras.ops.log(keras.ops.convert_to_tensor(shares))
        return keras.ops.repeat(logits, token_ids.shape[0], axis=0), cache

    result = beam_search(
        step,
        {"a": keras.ops.zeros((1, 1))},
        [[4]],
        max_length=3,
        end_id=[0, 1, 2],
        num_beams=2,
        length_penalty=9.0,
        early_stopping="never",
        return_all_beams=True,
    )
    # The second beam goes on with 4, the fifth of all tokens.
    assert to_numpy(result["token_ids"])[0].tolist() == [[4, 3, 0], [4, 4, 0]]


def test_a_repetition_penalty_acts_on_logits_by_their_sign():
    def step(token_ids, cache, memory, start):
        logits = keras.ops.convert_to_tensor([[3.0, 2.5, -2.0, -3.0]])
        return logits, cache

    result = greedy_search(
        step,
        {"a": keras.ops.zeros((1, 1))},
        [[1]],
        max_length=4,
        end_id=None,
        padding_id=2,
        repetition_penalty=2.0,
    )
    # 3 beats 2.5 / 2; then 3 / 2 beats 1.25, and stays ahead.
    assert to_numpy(result["token_ids"]).tolist() == [[1, 0, 0, 0]]


def test_little_of_the_highest_probability_is_dropped():
    logits = np.log([[0.5, 0.26, 0.14, 0.1]]).astype("float32")
    kept = to_numpy(keep_min_p(logits, 0.25)) > -np.inf
    assert kept.tolist() == [[True, True, True, False]]


@pytest.mark.full
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow"
)
def test_the_rules_are_inside_of_a_saved_model(tmp_path):
    import tensorflow as tf

    model = FakeModel(VOCABULARY, LENGTH, seed=5)
    given = {
        "repetition_penalty": 1.4,
        "bad_words": [[4, 6]],
        "suppressed_first_ids": [2],
        "max_new_tokens": 7,
        "forced_last_id": 2,
        "end_id": [END, 1],
        "num_beams": 2,
    }

    @tf.function(input_signature=[tf.TensorSpec((None, None), "int32")])
    def serve(prompt):
        return beam_search(
            model.step,
            model.init_cache(tf.shape(prompt)[0]),
            prompt,
            max_length=LENGTH,
            **given,
        )

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(tmp_path))
    served = tf.saved_model.load(str(tmp_path)).serve
    found = served(tf.constant(padded(RAGGED, 4), "int32"))
    expected = search(beam_search, model, **given)
    np.testing.assert_array_equal(found["token_ids"], expected["token_ids"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_new_tokens": -1}, "min_new_tokens=-1"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be.*at least 1"),
        ({"repetition_penalty": 0}, "repetition_penalty=0"),
        ({"bad_words": [3]}, "`bad_words` must hold lists. Received: 3"),
        ({"forced_ids": [[1, 2, 3]]}, "pairs of a position and an id"),
        ({"suppressed_ids": [1, -2]}, "`suppressed_ids` must hold ids"),
        ({"suppressed_ids": [VOCABULARY]}, "from 0 to 6.*suppressed_ids=7"),
        ({"forced_first_id": VOCABULARY}, "from 0 to 6.*forced_first_id=7"),
        ({"forced_last_id": 2.5}, "forced_last_id=2.5"),
        ({"renormalize": 1}, "renormalize must be True or False"),
        ({"surpressed_ids": [1]}, "Did you mean 'suppressed_ids'"),
    ],
)
def test_refuses_what_does_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        search(greedy_search, FakeModel(VOCABULARY, LENGTH), **given)
