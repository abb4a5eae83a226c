"""What all tests share."""

# ruff: noqa: E402
import collections
import functools
import gc
import importlib.metadata
import os
import sys
import typing
import zlib

# Thousands of tiny programs: compiling them takes longer than they run. XLA
# reads its flags once, so they are set before Keras is imported; one that a
# version does not know would end the process.
QUICK = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
]
ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"
KNOWN_JAX = ON_JAX and importlib.metadata.version("jax").startswith("0.10.")
if ON_JAX:
    QUICK.append("--xla_cpu_parallel_codegen_split_count=1")
if KNOWN_JAX:
    QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))
# PyTorch's threads spin while they wait for small tensors: twice the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if sys.version_info < (3, 12):
    # TensorFlow asks at every operation what is a tensor by a protocol, whose
    # attributes Python collects anew each time: a fifth of an eager call.
    typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)

import hypothesis
import keras
import numpy as np
import pytest

from tests import tiers

hypothesis.settings.register_profile(
    "default",
    database=None,
    deadline=None,  # the first call of a kind compiles
    derandomize=True,
    max_examples=15,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("default")

if KNOWN_JAX:
    from jax._src.interpreters import mlir

    # JAX makes a context for every program, and keeps it: a third of the time
    # and two megabytes for each of many thousand operations.
    mlir.make_ir_context = functools.cache(mlir.make_ir_context)

if keras.backend.backend() == "tensorflow":
    make_train_function = keras.Model.make_train_function

    def with_built_optimizer(self, force=False):
        """An optimizer that the first step builds has it traced twice."""
        optimizer = getattr(self, "optimizer", None)
        if self.built and optimizer is not None and not optimizer.built:
            optimizer.build(self.trainable_variables)
        make_train_function(self, force)

    keras.Model.make_train_function = with_built_optimizer

# Tests leave many objects, which the usual thresholds look through too often.
gc.set_threshold(10_000, 10, 10)
COLLECT_EVERY = 40  # tests
tests_run = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    """Clears away what tests have left, now and then.

    Python puts off the whole of it for thousands of tests; until then every
    function that TensorFlow traces takes longer by those it still has. What
    stays, most of all what was imported, is not looked through again.
    """
    global tests_run
    result = yield
    tests_run += 1
    if tests_run % COLLECT_EVERY == 0:
        forget_gradients()
        gc.collect()
        gc.freeze()
    return result


def forget_gradients():
    """Drops the gradients of functions, which TensorFlow keeps for ever."""
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework import ops

        registered = ops.gradient_registry._registry
        for name in list(registered):
            if name.startswith("CustomGradient-"):
                del registered[name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives every worker tests that stand together.

    They share what a module sets up and what JAX has compiled; a worker that
    has nothing left takes from another.
    """
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_collection_modifyitems(items):
    """Marks what is left of products of parameters as full.

    By default every value of every parameter of a test occurs, and not every
    combination of them; of a test marked as `few`, two combinations. The
    contract has a rule of its own.
    """
    tests = collections.defaultdict(list)
    for item in items:
        is_left = any(map(item.get_closest_marker, ("full", "slow")))
        in_contract = item.path.parent.name == "contract"
        if hasattr(item, "callspec") and not (is_left or in_contract):
            tests[item.path, item.originalname].append(item)
    for product in tests.values():
        chosen = tiers.covering([*map(tiers.parameters, product)])
        if product[0].get_closest_marker("few"):
            chosen = {min(chosen), max(chosen)}
        for number, item in enumerate(product):
            if number not in chosen:
                item.add_marker(pytest.mark.full)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs a test without AutoGraph, unless it is marked.

    TensorFlow's loops rewrite the Python that they are given: a third of the
    time, and nothing here branches on tensors.
    """
    if keras.backend.backend() != "tensorflow":
        return
    if pyfuncitem.get_closest_marker("autograph") is None:
        import tensorflow as tf

        plain = tf.autograph.experimental.do_not_convert
        pyfuncitem.obj = plain(pyfuncitem.obj)


@pytest.fixture
def quick_collection():
    """For `quantize`, which collects garbage for every layer.

    That takes the longer the more earlier tests have left.
    """
    gc.freeze()


@pytest.fixture
def rng(request):
    """A generator whose draws depend on the test's name alone."""
    seed = zlib.crc32(request.node.nodeid.encode())
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)
