"""What all tests share."""

import zlib

import hypothesis
import keras
import numpy as np
import pytest

from keras_attention import attention
from tests.contract.cases import CASES
from tests.tools import BACKEND

hypothesis.settings.register_profile(
    "default",
    database=None,
    deadline=None,  # the first call of a kind compiles
    derandomize=True,
    max_examples=15,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("default")

FLAVOURS = attention.names()
if BACKEND == "jax":
    import jax

    # Thousands of tiny programs: compiling them takes longer than they run.
    jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` what compiles the same shares a process."""
    for item in items:
        call = getattr(item, "callspec", None)
        params = {} if call is None else call.params
        group = params.get("case", params.get("name"))
        if group in CASES:
            group = CASES[group].name
        if group in FLAVOURS:
            item.add_marker(pytest.mark.xdist_group(group))
        elif BACKEND == "jax":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture
def rng(request):
    """A generator whose draws depend on the test's name alone."""
    name = request.node.nodeid.partition("@")[0]  # without the group
    seed = zlib.crc32(name.encode())
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)
