"""Every test of this folder runs over all cases."""

import pytest

from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH
from tests.contract.cases import CASES


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture
def layer(case, rng):
    return case.layer(rng)


@pytest.fixture
def x(rng):
    """Self-attention's input `(batch, length, dim)`."""
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    """Cross-attention's source `(batch, key_length, dim)`."""
    return rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")
