"""The table of cases covers the registry."""

from pathlib import Path

import pytest

from keras_attention import attention
from tests.contract.cases import CASES

KINDS = {name: form["kind"] for name, form in attention.describe().items()}


def test_every_registered_mixer_has_a_case():
    mixers = {name for name, kind in KINDS.items() if kind == "mixer"}
    assert {case.name for case in CASES.values()} == mixers


@pytest.mark.parametrize("name", [n for n in KINDS if KINDS[n] != "mixer"])
def test_what_is_no_mixer_has_tests_of_its_own(name):
    tests = Path(__file__).parents[1] / "attention" / f"test_{name}.py"
    assert "def test_" in tests.read_text(encoding="utf-8")
