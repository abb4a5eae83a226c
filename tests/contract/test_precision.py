"""Half precision stays near float32."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.contract.case import BATCH, LENGTH
from tests.tools import BACKEND, few, gradients, to_numpy

POLICIES = {
    "mixed_bfloat16": 3e-2,
    "float16": 4e-3,
    "mixed_float16": 4e-3,
    "bfloat16": 3e-2,
}
if BACKEND != "tensorflow":
    del POLICIES["mixed_float16"], POLICIES["bfloat16"]


@pytest.mark.parametrize("policy", few([*POLICIES], 2))
def test_half_precision_stays_near_float32(case, layer, x, source, policy):
    if case.chooses:
        pytest.skip("rounding may choose other keys or queries")
    exact = layer
    layer = case.make(dtype=policy)
    layer.build(x.shape)
    layer.set_weights(exact.get_weights())
    mask = np.ones((BATCH, LENGTH), bool)
    mask[0, -2:] = False
    calls = [{}, {"padding_mask": mask}]
    if exact.supports_causal_mask:
        calls.append({"use_causal_mask": True})
    if exact.supports_cross_attention:
        calls.append({"value": source})
    for arguments in calls:
        expected, output = exact(x, **arguments), layer(x, **arguments)
        dtype = keras.backend.standardize_dtype(output.dtype)
        assert dtype == policy.removeprefix("mixed_")
        expected = to_numpy(expected)
        # Where a norm divides by little, a single number may be off.
        norms = getattr(exact, "norm", False) or hasattr(exact, "output_norm")
        size = _root_mean_square if norms else _largest
        error = size(to_numpy(output) - expected)
        assert error < POLICIES[policy] * size(expected)


def _root_mean_square(x):
    return np.sqrt(np.mean(np.square(x)))


def _largest(x):
    return np.abs(x).max()


@pytest.mark.parametrize("policy", few(["mixed_bfloat16", "mixed_float16"]))
def test_mixed_precision_keeps_weights_and_gradients_in_float32(
    case, layers, x, policy
):
    layer = layers.get(case, dtype=policy)
    assert {v.dtype for v in layer.trainable_variables} <= {"float32"}
    _, found = gradients(
        lambda x: ops.sum(ops.cast(layer(x), "float32") ** 2), x, layer=layer
    )
    for gradient in found:
        assert gradient.dtype == "float32" and np.isfinite(gradient).all()


def test_a_cache_and_a_memory_work_in_mixed_precision(case, layers, x, source):
    layer = layers.get(case, dtype="mixed_bfloat16")
    if layer.supports_cache:
        cache = layer.init_cache(BATCH, LENGTH)
        first, cache = layer(x[:, :3], cache=cache, start=0)
        rest, _ = layer(x[:, 3:], cache=cache, start=3)
        output = np.concatenate([to_numpy(first), to_numpy(rest)], axis=1)
        expected = to_numpy(layer(x, use_causal_mask=True))
        error = np.abs(output - expected).max()
        assert error < POLICIES["mixed_bfloat16"] * np.abs(expected).max()
    if layer.supports_cross_attention:
        memory = layer.init_memory(source)
        np.testing.assert_array_equal(
            to_numpy(layer(x, memory=memory)), to_numpy(layer(x, source))
        )
