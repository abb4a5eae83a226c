"""Stop strings are found wherever tokens cut them."""

import numpy as np
import pytest

from keras_attention.generation import beam_search, greedy_search
from keras_attention.generation.stop_strings import StopStrings
from tests.generation.fakes import FakeModel
from tests.tools import to_numpy

TEXTS = [b"", b"a", b"b", b"ab", b"ba", b" a", "é".encode(), b"\xc3", b"\xa9"]
STRINGS = ["aba", "bb", "é", " a b"]


def found_at(stops, row):
    """The place of the token that completes a string, or None."""
    (place,) = found_in_rows(stops, np.array([row]))
    return place


def found_in_rows(stops, rows):
    states, found = stops.begin(rows[:, 0]), []
    for column in rows.T:
        states = stops.advance(states, column)
        found.append(to_numpy(stops.is_found(states)))
    return [
        places.index(True) if any(places) else None
        for places in np.array(found).T.tolist()
    ]


def test_strings_are_found_wherever_tokens_cut_them(rng):
    stops = StopStrings(TEXTS, STRINGS)
    rows, expected = rng.integers(0, len(TEXTS), (40, 9)), []
    for row in rows:
        texts = [b"".join(TEXTS[n] for n in row[: i + 1]) for i in range(9)]
        holds = [any(x.encode() in text for x in STRINGS) for text in texts]
        expected.append(holds.index(True) if any(holds) else None)
    assert found_in_rows(stops, rows) == expected
    assert None in expected and len(set(expected)) > 5


def test_the_first_token_may_have_another_text():
    without = [text.removeprefix(b" ") for text in TEXTS]
    stops = StopStrings(TEXTS, [" a"], without)
    assert found_at(stops, [5, 1, 5]) == 2
    assert found_at(StopStrings(TEXTS, [" a"]), [5, 1, 5]) == 0


@pytest.mark.parametrize(
    "num_beams", [1, pytest.param(3, marks=pytest.mark.full)]
)
def test_a_search_ends_with_the_token_that_completes_a_string(num_beams):
    model = FakeModel(9, 12)
    prompt = np.array([[3, 0], [4, 5], [1, 2]])
    options = {"max_length": 12, "end_id": None, "prompt_lengths": [1, 2, 2]}
    if num_beams > 1:
        options |= {"num_beams": num_beams, "return_all_beams": True}
    search = greedy_search if num_beams == 1 else beam_search
    stops = StopStrings(TEXTS, STRINGS)
    found = search(
        model.step, model.init_cache(3), prompt, stops=stops, **options
    )
    rows = to_numpy(found["token_ids"]).reshape(3, num_beams, 12)
    ended = 0
    for row, length in zip(rows, options["prompt_lengths"], strict=True):
        for beam in row:
            place = found_at(stops, beam[length:])
            if place is not None:
                ended += 1
                assert not beam[length + place + 1 :].any()
    assert ended > 1
