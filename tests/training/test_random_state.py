"""Each generator is read and put back by itself."""

import json
import random

import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state
from keras.src.random import seed_generator

from keras_attention.training import random_state
from tests.tools import BACKEND, to_numpy


def draw_torch():
    import torch

    return torch.rand(7).numpy()


GENERATORS = {
    "python": lambda: [random.random() for _ in range(7)],
    "python gauss": lambda: [random.gauss() for _ in range(7)],
    "numpy": lambda: np.random.random(7),
    "numpy gauss": lambda: np.random.standard_normal(7),
    "keras": lambda: to_numpy(keras.random.uniform((7,))),
}
if BACKEND == "torch":
    GENERATORS["torch"] = draw_torch


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("earlier", [0, 1])  # an odd number of draws
def test_a_generator_draws_again_what_it_drew(name, earlier):
    draw = GENERATORS[name]
    keras.utils.set_random_seed(17)
    for _ in range(earlier):
        draw()
    if name == "keras":
        draw()  # there is no such generator before
    state = json.loads(json.dumps(random_state.capture()))
    random_state.check(state)
    first = draw()
    # Of this generator alone: no other can make its draws equal.
    assert not np.array_equal(draw(), first)
    random_state.restore(state)
    np.testing.assert_array_equal(draw(), first)


def test_all_generators_are_captured_at_once():
    keras.utils.set_random_seed(17)
    for draw in GENERATORS.values():
        draw()
    state = json.loads(json.dumps(random_state.capture()))
    first = {name: draw() for name, draw in GENERATORS.items()}
    keras.utils.set_random_seed(19)
    random_state.restore(state)
    for name, draw in GENERATORS.items():
        np.testing.assert_array_equal(draw(), first[name])


def test_a_generator_of_keras_is_not_made_by_asking():
    keras.utils.clear_session()
    before = random.getstate()
    assert "keras" not in random_state.capture()
    assert random.getstate() == before
    assert not global_state.get_global_attribute(
        seed_generator.GLOBAL_SEED_GENERATOR
    )


def without(name):
    return lambda state: state.pop(name)


def with_entry(name, index, value):
    def change(state):
        state[name][index] = value

    return change


WRONG = {
    "python": [
        without("python"),
        with_entry("python", 0, 77),
        with_entry("python", 1, [1, 2]),
        with_entry("python", 1, ["a"] * 625),
        with_entry("python", 2, "text"),
        lambda state: state.update(python=5),
    ],
    "numpy": [
        without("numpy"),
        with_entry("numpy", 0, "PCG64"),
        with_entry("numpy", 1, [1, 2]),
        # NumPy would read what lies there in memory.
        with_entry("numpy", 2, 10**6),
        with_entry("numpy", 2, -1),
        with_entry("numpy", 2, "text"),
        with_entry("numpy", 4, None),
    ],
    "keras": [
        lambda state: state.update(keras=[1]),
        lambda state: state.update(keras=[1, 0.5]),
        lambda state: state.update(keras=[1, 2**80]),
        lambda state: state.update(keras=None),
    ],
}
if BACKEND == "torch":
    WRONG["torch"] = [
        without("torch"),
        lambda state: state.update(torch=[1, 2]),
        lambda state: state.update(torch=[0.5]),
    ]


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name, changes in WRONG.items() for change in changes],
)
def test_a_wrong_state_is_named(name, change):
    keras.random.uniform((1,))
    state = json.loads(json.dumps(random_state.capture()))
    change(state)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(ValueError, match=f"generator '{name}'"):
        random_state.check(state)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
