"""Every test of this folder runs over all cases.

By default `tiers` says which cases have which tests; the rest is marked as
`full`.
"""

from pathlib import Path

import pytest

from tests.contract import tiers
from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH, BuiltLayers
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


FOLDER = Path(__file__).parent

# What JAX, which compiles every operation and shape anew, runs by default; the
# rest is marked as slow there, but for exact attention.
ON_JAX = {
    "test_any_split_gives_the_full_pass",
    "test_compiled_and_eager_agree",
    "test_contents_of_padding_do_not_matter",
    "test_future_tokens_do_not_change_the_past",
    "test_gradients_are_finite_differences",
    "test_memory_is_direct_cross_attention",
    "test_rows_that_see_nothing_give_zeros",
    "test_symbolic_shape_leaves_batch_and_length_open",
}


def pytest_collection_modifyitems(items):
    for item in items:
        call = getattr(item, "callspec", None)
        case = None if call is None else call.params.get("case")
        if item.path.parent != FOLDER or case not in CASES:
            continue
        if BACKEND == "jax" and case != "multi_head":
            if item.originalname not in ON_JAX:
                item.add_marker(pytest.mark.slow)
        if not tiers.is_default(item):
            item.add_marker(pytest.mark.full)


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


@pytest.fixture(scope="session")
def layers():
    """Layers that are built once; what a test changes is told at the end."""
    layers = BuiltLayers()
    yield layers
    layers.check_unchanged()


@pytest.fixture
def layer(case, layers):
    """The case's layer with weights off their start. No test changes it."""
    return layers.get(case)


@pytest.fixture
def x(rng):
    """Self-attention's input `(batch, length, dim)`."""
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    """Cross-attention's source `(batch, key_length, dim)`."""
    return rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")
