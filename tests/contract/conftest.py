"""Every test of this folder runs over all cases."""

import pytest

from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH
from tests.contract.cases import CASES
from tests.tools import BACKEND


def cases():
    """All cases; elsewhere than on TensorFlow the first of each flavour.

    The others are marked as slow there, so that three backends stay quick.
    """
    seen = set()
    for key, case in CASES.items():
        is_first = case.name not in seen
        seen.add(case.name)
        quick = is_first or BACKEND == "tensorflow"
        yield pytest.param(key, marks=() if quick else pytest.mark.slow)


@pytest.fixture(params=cases())
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
