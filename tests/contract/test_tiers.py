"""Every flavour has its tests by default, and some have all of them."""

import collections
from pathlib import Path

import pytest

from keras_attention import attention
from tests.contract import tiers
from tests.contract.cases import CASES
from tests.tools import BACKEND

FOLDER = Path(__file__).parent


class Collected:
    """A plugin that keeps what a run of pytest would run, and what not."""

    def __init__(self):
        self.kept = []
        self.left = []

    def pytest_deselected(self, items):
        self.left += items

    def pytest_collection_finish(self, session):
        self.kept += session.items


@pytest.fixture(scope="module")
def collected():
    found = Collected()
    options = ["--collect-only", "-qq", "-p", "no:cacheprovider"]
    assert pytest.main([*options, str(FOLDER)], plugins=[found]) == 0
    return found


def by_case(items):
    """The names of the tests of each case."""
    found = collections.defaultdict(set)
    for item in items:
        call = getattr(item, "callspec", None)
        case = None if call is None else call.params.get("case")
        if case in CASES:
            found[case] |= tiers.names_of(item)
    return found


@pytest.mark.skipif(BACKEND == "jax", reason="runs a part of a part")
def test_every_flavour_has_its_tests_by_default(collected):
    kept = by_case(collected.kept)
    mixers = [
        name
        for name, described in attention.describe().items()
        if described["kind"] == "mixer"
    ]
    for name in mixers:
        key = tiers.first_of_flavours()[name]
        assert not tiers.wanted(key) - kept[key], name


@pytest.mark.skipif(BACKEND == "jax", reason="runs a part of a part")
def test_representatives_have_every_test(collected):
    left = [item for item in collected.left if "slow" not in marks(item)]
    for key, names in by_case(left).items():
        if key in tiers.representatives():
            left = {name.partition("[")[0] for name in names}
            assert left <= tiers.SLOW_ITEMS | tiers.OF_ONE_KIND, key
            assert key not in tiers.on_this_backend(tiers.SLOW_CASES)
    assert set(by_case(collected.kept)) >= tiers.representatives()


def test_what_is_left_out_is_full_or_slow(collected):
    assert collected.left
    assert all(marks(item) & {"full", "slow"} for item in collected.left)


def marks(item):
    return {mark.name for mark in item.iter_markers()}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="names all parameters")
def test_every_name_in_the_lists_is_that_of_a_test(collected):
    names = set().union(*by_case(collected.kept).values())
    assert set().union(*map(tiers.wanted, CASES)) <= names
    assert tiers.SLOW_ITEMS | tiers.OF_ONE_KIND <= names
    assert set(tiers.REPRESENTATIVES) <= set(CASES)
    assert tiers.COMPILED in tiers.SLOW_ITEMS
    assert tiers.SLOW_CASES | tiers.COMPILED_CASES <= set(tiers.REPRESENTATIVES)
