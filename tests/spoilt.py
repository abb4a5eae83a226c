"""What must not matter: padding that is NaN, infinite or huge."""

import numpy as np
from keras import ops

from tests.tools import differentiated


def some_of(rng, shape):
    """A mask `(batch, length)`: in every row one counts and one does not."""
    mask = rng.random(shape) < 0.6
    mask[:, 0], mask[:, -2] = True, False
    return mask


def spoilt(x, mask):
    """`x` `(3, length, dim)` with zeros at padding, and with the worst."""
    worst = np.array([np.nan, -np.inf, 1e38], "float32")[:, None, None]
    return [
        np.where(mask[..., None], x, content).astype("float32")
        for content in (0.0, worst)
    ]


def check_same(layer, run, x, mask, counts=None):
    """Compares results and gradients with padding of zeros and of none.

    Args:
        layer: what has the weights.
        run: function from `x` to the output.
        x: `(batch, length, dim)`.
        mask: boolean `(batch, length)`, which of `x` counts.
        counts: boolean `(batch, length)`, the rows of the output whose
            numbers are promised; None for all.
    """

    def loss(x):
        output = run(x)
        if counts is not None:
            output = ops.where(counts[..., None], output, 0.0)
        return ops.sum(output**2), output

    differentiate = differentiated(loss, layer, has_aux=True)
    zeros, worst = spoilt(x, mask)
    (_, expected), wanted = differentiate(zeros)
    (_, output), found = differentiate(worst)
    assert np.isfinite(output).all()
    np.testing.assert_array_equal(output, expected)
    names = ["x", *(variable.path for variable in layer.trainable_variables)]
    for name, ours, theirs in zip(names, found, wanted, strict=True):
        assert np.isfinite(ours).all(), name
        np.testing.assert_allclose(ours, theirs, atol=1e-6, err_msg=name)
    assert np.all(found[0][~mask] == 0)
