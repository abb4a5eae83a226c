"""Every test of this folder runs over all cases."""

import pytest

from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH
from tests.contract.cases import CASES
from tests.tools import BACKEND

# Further cases that have code of their own; they run by default as well, but
# on TensorFlow alone.
ALSO = {
    "dilated_window_with_sinks",
    "gated_delta_convolution",
    "grouped",
    "luong_predictive",
    "normalized_gated_with_sinks",
    "sparse_transformer_fixed",
}


def cases():
    """All cases, of which those that differ little are marked as slow."""
    seen = set()
    for key, case in CASES.items():
        is_quick = case.name not in seen
        seen.add(case.name)
        if BACKEND == "tensorflow":
            is_quick = is_quick or key in ALSO
        yield pytest.param(key, marks=() if is_quick else pytest.mark.slow)


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
