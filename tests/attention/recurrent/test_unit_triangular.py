"""Unit triangular systems against NumPy's solver in float64."""

import numpy as np
import pytest
from keras import ops

from keras_attention.attention.recurrent.unit_triangular import (
    solve_unit_triangular,
    substitute_by_blocks,
)
from tests.tools import at_once, gradients, near


def systems(rng, size, repeated=False):
    """The products that keys of length 1 leave below the diagonal."""
    key = rng.normal(size=(2, 3, 1, size, 5))
    if repeated:
        key = np.repeat(key[:, :, :, :1], size, axis=3)
    key = key / np.linalg.norm(key, axis=-1, keepdims=True)
    beta = 1.0 if repeated else rng.uniform(size=(2, 3, 1, size, 1))
    return np.tril((beta * key) @ np.swapaxes(key, 3, 4), -1)


@pytest.mark.parametrize("solve", [solve_unit_triangular, substitute_by_blocks])
@pytest.mark.parametrize("size", [1, 2, 16, 64])
@pytest.mark.parametrize("repeated", [False, True])
def test_solutions_and_gradients_are_exact(rng, solve, size, repeated):
    below = systems(rng, size, repeated)
    right, upstream = rng.normal(size=(2, 2, 3, 1, size, 7))
    system = below + np.eye(size)
    solution = np.linalg.solve(system, right)
    near(at_once(solve)(*as_floats(below, right)), solution)
    (weights,) = as_floats(upstream)
    _, found = gradients(
        lambda below, right: ops.sum(solve(below, right) * weights),
        *as_floats(below, right),
    )
    expected = np.linalg.solve(np.swapaxes(system, 3, 4), upstream)
    near(found[1], expected)
    expected = -expected @ np.swapaxes(solution, 3, 4)
    near(np.tril(found[0], -1), np.tril(expected, -1))


def as_floats(*arrays):
    return [ops.convert_to_tensor(x, "float32") for x in arrays]
