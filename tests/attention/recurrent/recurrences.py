"""What the tests of recurrent flavours share: oracles and projections."""

import importlib.metadata
import importlib.util

import numpy as np
import pytest

from tests.tools import to_numpy


def from_fla(path):
    """A module of `fla` by itself: importing the package needs triton."""
    try:
        package = importlib.metadata.distribution("fla-core")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the oracle, flash-linear-attention, is not installed")
    pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("einops", reason="the oracle")
    spec = importlib.util.spec_from_file_location(
        "fla_naive", package.locate_file(f"fla/ops/{path}")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_torch(function, *arrays, **options):
    """Calls a function of torch tensors; gives NumPy arrays."""
    import torch

    arrays = [torch.tensor(np.asarray(array, "float32")) for array in arrays]
    with torch.no_grad():
        result = function(*arrays, **options)
    parts = result if isinstance(result, tuple) else (result,)
    parts = [part if part is None else part.numpy() for part in parts]
    return parts if isinstance(result, tuple) else parts[0]


def project(dense, x):
    """`(batch, length, heads, width)` in float64."""
    output = np.einsum("btm,m...->bt...", x, to_numpy(dense.kernel))
    return output + (0 if dense.bias is None else to_numpy(dense.bias))


def swish(x):
    return x / (1 + np.exp(-x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalized(x, centered=True, epsilon=1e-6):
    """Mean 0 (if centered) and variance 1 of the last axis."""
    x = x - x.mean(axis=-1, keepdims=True) * centered
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)


def joined(layer, output, x):
    """The norm of heads, the gate and the projection, in float64."""
    if layer.norm:
        output = normalized(output)
    if layer.gate:
        output = output * swish(project(layer.gate_dense, x))
    dense = layer.output_dense
    output = np.einsum("bthd,hdm->btm", output, to_numpy(dense.kernel))
    return output + (0 if dense.bias is None else to_numpy(dense.bias))


def padding(rng, shape):
    """A mask with holes at the left, in the middle and at the end."""
    mask = rng.random(shape) < 0.7
    mask[0, :2] = mask[-1, -3:] = False
    return mask


def pieces(layer, x, borders, mask=None):
    """The outputs of a cached layer fed piece by piece, and the cache."""
    cache, outputs = layer.init_cache(len(x), x.shape[1]), []
    for start, stop in zip(borders, borders[1:], strict=False):
        seen = None if mask is None else mask[:, start:stop]
        output, cache = layer(
            x[:, start:stop], padding_mask=seen, cache=cache, start=start
        )
        outputs.append(to_numpy(output))
    return np.concatenate(outputs, axis=1), cache
