"""What all tests share."""

import zlib

import hypothesis
import keras
import numpy as np
import pytest

hypothesis.settings.register_profile(
    "default",
    database=None,
    deadline=None,  # the first call of a kind compiles
    derandomize=True,
    max_examples=15,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("default")

if keras.backend.backend() == "jax":
    import jax

    # Thousands of tiny programs: compiling them takes longer than they run.
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def rng(request):
    """A generator whose draws depend on the test's name alone."""
    seed = zlib.crc32(request.node.nodeid.encode())
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)
