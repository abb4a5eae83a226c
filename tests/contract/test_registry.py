"""The table of cases covers the registry."""

from keras_attention import attention
from tests.contract.cases import CASES


def test_every_registered_flavour_has_a_case():
    assert {case.name for case in CASES.values()} == set(attention.names())
