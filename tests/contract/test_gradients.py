"""Gradients against finite differences in float64."""

import contextlib

import numpy as np
import pytest
from keras import ops

from tests.contract.case import DIM
from tests.tools import (
    BACKEND,
    differentiated,
    gradients,
    randomize,
    to_numpy,
)

BATCH, LENGTH, KEY_LENGTH = 2, 5, 3
STEP = 1e-4
# On JAX and torch Keras computes tanh, norms and more in float32, whatever it
# is given: small differences drown in the rounding, and larger ones have to do.
LARGER_STEP = 1e-2


def float64():
    if BACKEND == "jax":
        import jax

        return jax.enable_x64(True)
    return contextlib.nullcontext()


def shifted(layer, variables, values, directions, step):
    for variable, value, direction in zip(
        variables, values, directions, strict=True
    ):
        variable.assign(value + step * direction)


@pytest.mark.parametrize("call", ["self", "causal", "cross"])
def test_gradients_are_finite_differences(case, rng, call):
    with float64():
        layer = case.make(dtype="float64")
        if call == "causal" and not layer.supports_causal_mask:
            pytest.skip("is not causal")
        if call == "cross" and not layer.supports_cross_attention:
            pytest.skip("attends to itself alone")
        layer.build((BATCH, LENGTH, DIM))
        randomize(layer, rng)
        inputs = [rng.normal(size=(BATCH, LENGTH, DIM))]
        if call == "cross":
            inputs.append(rng.normal(size=(BATCH, KEY_LENGTH, DIM)))
        mask = np.ones(inputs[-1].shape[:2], bool)
        mask[0, 1] = False
        weights = rng.normal(size=inputs[0].shape)

        def loss(*inputs):
            output = layer(
                *inputs, padding_mask=mask, use_causal_mask=call == "causal"
            )
            return ops.sum(output * ops.convert_to_tensor(weights))

        differentiate = differentiated(loss, layer)
        value, found = differentiate(*inputs)
        assert value.dtype == "float64"
        variables = layer.trainable_variables
        start = [to_numpy(variable.value) for variable in variables]

        # Along random directions, so that every number takes part.
        for _ in range(4):
            directions = [rng.normal(size=g.shape) for g in found]
            norm = np.sqrt(sum(np.sum(d**2) for d in directions))
            directions = [d / norm for d in directions]
            slope = sum(
                np.sum(g * d) for g, d in zip(found, directions, strict=True)
            )

            def difference(step, directions=directions):
                ends = []
                for signed in (step, -step):
                    moved = [
                        ops.convert_to_tensor(x + signed * d)
                        for x, d in zip(inputs, directions, strict=False)
                    ]
                    own = directions[len(inputs) :]
                    shifted(layer, variables, start, own, signed)
                    if BACKEND == "jax":  # what is compiled already
                        ends.append(differentiate(*moved)[0])
                    else:
                        ends.append(to_numpy(loss(*moved)))
                shifted(layer, variables, start, start, 0.0)
                return (ends[0] - ends[1]) / (2 * step)

            is_near = np.isclose(difference(STEP), slope, rtol=1e-6, atol=1e-7)
            if not is_near and BACKEND != "tensorflow":
                expected = difference(LARGER_STEP)
                is_near = np.isclose(expected, slope, rtol=5e-3, atol=5e-3)
            assert is_near, (slope, difference(STEP))


def test_every_weight_takes_part(layer, x):
    _, found = gradients(
        lambda x: ops.sum(layer(x, use_causal_mask=False) ** 2),
        x,
        layer=layer,
    )
    names = ["x", *(v.path for v in layer.trainable_variables)]
    # A bias of the keys moves all scores of a query alike: no gradient.
    idle = [
        name
        for name, gradient in zip(names, found, strict=True)
        if np.abs(gradient).max() < 1e-6 and not name.endswith("key/bias")
    ]
    assert not idle
