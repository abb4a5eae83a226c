"""Faults that are put into the package are caught by its tests."""

import collections

import pytest

from tests import mutants
from tests.faults import FAULTS
from tests.tools import BACKEND


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_where_it_is_said_to_be(fault):
    assert fault.text != fault.replacement
    assert mutants.changed_source(fault)
    for path in fault.tests:
        assert (mutants.ROOT / "tests" / path).is_file()


def test_every_fault_stands_in_another_function():
    count = collections.Counter(fault.name for fault in FAULTS)
    assert len(FAULTS) >= 40 and set(count.values()) == {1}


def test_a_text_that_is_not_there_is_an_error():
    fault = FAULTS[0]
    for wrong in ({"text": "no such text"}, {"function": "no_such"}):
        with pytest.raises(ValueError, match=fault.path[:-3]):
            mutants.changed_source(fault._replace(**wrong))


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="some tests need it")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_caught(fault):
    caught, printed = mutants.is_caught(fault)
    assert caught, printed
