"""The tables of cases cover the registry."""

from pathlib import Path

import pytest

from keras_attention import attention
from tests.contract.cases import CASES
from tests.contract.families.reduced import POOLING

KINDS = {name: form["kind"] for name, form in attention.describe().items()}


def of_kind(*kinds):
    return {name for name, kind in KINDS.items() if kind in kinds}


def test_every_mixer_has_a_case():
    assert {case.name for case in CASES.values()} == of_kind("mixer")


def test_every_pooling_layer_has_a_case():
    assert {case.name for case in POOLING.values()} == of_kind("pooling")


@pytest.mark.parametrize("name", sorted(of_kind("pointer")))
def test_what_neither_mixes_nor_pools_has_tests_of_its_own(name):
    folder = Path(__file__).parents[1] / "attention"
    (tests,) = folder.rglob(f"test_{name}.py")
    assert "def test_" in tests.read_text(encoding="utf-8")


def test_every_flavour_names_its_paper_and_cost():
    for name, described in attention.describe().items():
        assert described["paper"] and described["cost"], name
        assert bool(described["cache_size"]) == described["cache"], name
