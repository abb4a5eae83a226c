"""By default every value of a parameter occurs, and not every combination."""

import itertools

import pytest

from tests.tiers import covering


def product(*sizes):
    names = "abc"[: len(sizes)]
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*map(range, sizes))
    ]


@pytest.mark.parametrize("sizes", [(1,), (5,), (2, 2), (3, 7), (2, 3, 5)])
def test_every_value_occurs_and_none_for_nothing(sizes):
    combinations = product(*sizes)
    chosen = [combinations[place] for place in covering(combinations)]
    for name, size in zip("abc", sizes, strict=False):
        assert {one[name] for one in chosen} == set(range(size))
    assert len(chosen) == max(sizes)


def test_parameters_given_together_are_one():
    rows = [{"a": n, "b": n} for n in range(4)]
    assert covering(rows) == {0, 1, 2, 3}


def test_holes_are_no_hindrance():
    combinations = [x for x in product(3, 3) if x != {"a": 1, "b": 1}]
    chosen = [combinations[place] for place in covering(combinations)]
    assert {one["a"] for one in chosen} == {0, 1, 2}
    assert {one["b"] for one in chosen} == {0, 1, 2}
