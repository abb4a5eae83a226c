"""The tables of cases cover the registry."""

from keras_attention import attention
from tests.contract.cases import CASES
from tests.contract.families.sets import POOLING


def of_kind(kind):
    return {n for n, d in attention.describe().items() if d["kind"] == kind}


def test_every_mixer_has_a_case():
    assert {case.name for case in CASES.values()} == of_kind("mixer")


def test_every_pooling_layer_has_a_case():
    assert {case.name for case in POOLING.values()} == of_kind("pooling")


def test_every_flavour_names_its_paper_and_cost():
    for name, described in attention.describe().items():
        assert described["paper"] and described["cost"], name
        assert bool(described["cache_size"]) == described["cache"], name
