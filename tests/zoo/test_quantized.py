"""Quantized tensors, beside what `transformers` makes of them."""

import ml_dtypes
import numpy as np
import pytest

from keras_attention.zoo.core import safetensors
from keras_attention.zoo.core.quantized import dequantized


def stored(folder, **tensors):
    path = folder / "model.safetensors"
    safetensors.write(
        path,
        {n: (x.shape, x.dtype, lambda x=x: x) for n, x in tensors.items()},
    )
    return dequantized(safetensors.list_tensors(path))


@pytest.mark.parametrize("shape", [(300, 200), (128, 256), (7, 130)])
def test_blocks_of_fp8(rng, tmp_path, shape):
    theirs = pytest.importorskip(
        "transformers.integrations.finegrained_fp8", reason="the oracle"
    )
    import torch

    numbers = rng.normal(size=shape).astype(ml_dtypes.float8_e4m3fn)
    blocks = tuple(-(-size // 128) for size in shape)
    scale = rng.uniform(0.5, 2.0, blocks).astype("float32")
    found = stored(tmp_path, weight=numbers, weight_scale_inv=scale)
    assert list(found) == ["weight"] and found["weight"].shape == shape
    quantized = torch.tensor(numbers.astype("float32")).to(torch.float8_e4m3fn)
    expected = theirs._dequantize_fp8_weight(
        quantized, torch.tensor(scale), [128, 128], torch.float32
    )
    np.testing.assert_allclose(found["weight"].load(), expected.numpy())


@pytest.mark.parametrize("shape", [(), (1,), (5, 1), (5,)])
def test_scales_of_rows_and_of_the_whole(rng, tmp_path, shape):
    numbers = rng.normal(size=(5, 7)).astype(ml_dtypes.float8_e4m3fn)
    scale = rng.uniform(0.5, 2.0, shape).astype("float32")
    found = stored(tmp_path, weight=numbers, weight_scale=scale)
    column = scale.reshape(-1, 1)
    np.testing.assert_allclose(
        found["weight"].load(), numbers.astype("float32") * column
    )


def test_mxfp4(rng, tmp_path):
    theirs = pytest.importorskip(
        "transformers.integrations.mxfp4", reason="the oracle"
    )
    import torch

    blocks = rng.integers(0, 256, (3, 10, 2, 16)).astype("uint8")
    scales = rng.integers(120, 135, (3, 10, 2)).astype("uint8")
    found = stored(tmp_path, up_blocks=blocks, up_scales=scales)
    expected = theirs.convert_moe_packed_tensors(
        torch.tensor(blocks), torch.tensor(scales), dtype=torch.float32
    )
    assert list(found) == ["up"]
    assert found["up"].shape == tuple(expected.shape) == (3, 64, 10)
    np.testing.assert_array_equal(found["up"].load(), expected.numpy())


def test_scales_that_are_missing_are_named(rng, tmp_path):
    blocks = rng.integers(0, 256, (3, 10, 2, 16)).astype("uint8")
    with pytest.raises(ValueError, match="has no up_scales"):
        stored(tmp_path, up_blocks=blocks)


def test_blocks_of_another_size_are_refused(rng, tmp_path):
    numbers = rng.normal(size=(128, 128)).astype(ml_dtypes.float8_e4m3fn)
    scale = np.ones((2, 2), "float32")
    found = stored(tmp_path, weight=numbers, weight_scale_inv=scale)
    with pytest.raises(ValueError, match=r"\(2, 2\).*128 by 128.*\(1, 1\)"):
        found["weight"].load()
