"""Choosing a flavour by length."""

import pickle

import pytest

from keras_attention import choose_attention


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (1, "multi_head"),
        (2_000, "multi_head"),
        (2_001, "sliding_window"),
        (10_000, "sliding_window"),
        (10_001, "linear"),
        (10**6, "linear"),
    ],
)
def test_the_thresholds(length, name):
    choice = choose_attention(length)
    assert choice == name
    assert f"{length:,}" in choice.reason
    again = pickle.loads(pickle.dumps(choice))
    assert again == choice and again.reason == choice.reason


def test_thresholds_are_arguments():
    assert choose_attention(50, exact_up_to=10, window_up_to=40) == "linear"
    choice = choose_attention(50, exact_up_to=10, window_up_to=50)
    assert choice == "sliding_window"
    assert "exact_up_to=10" in choice.reason and "=50" in choice.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length.*0"),
        ({"length": 10.5}, "length.*10.5"),
        ({"length": 5, "exact_up_to": -1}, "exact_up_to.*-1"),
        ({"length": 5, "window_up_to": 7}, "exact_up_to=2000, window_up_to=7"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_attention(**arguments)
