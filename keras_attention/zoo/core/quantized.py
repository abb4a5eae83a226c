"""Tensors in 8 and 4 bits as the floats that they stand for.

Either lies beside a tensor of scales, and is read together with it.
"""

import numpy as np

_SCALES = ("_scale_inv", "_scale")
# What the 16 values of FP4 (E2M1) are.
_FP4 = np.array(
    [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6],
    "float32",
)
_BLOCK = 128  # numbers along either axis that share a scale of FP8
_BIAS = 127  # of a scale that is an exponent of two
_REFUSED = {
    "awq": "AWQ",
    "bitsandbytes": "bitsandbytes",
    "eetq": "EETQ",
    "gptq": "GPTQ",
    "hqq": "HQQ",
}


def check_method(config):
    """Refuses a configuration whose tensors only their own kernels read.

    Args:
        config: a `Configuration`.

    Raises:
        ValueError: for GPTQ, AWQ and their like.
    """
    given = config.get("quantization_config") or {}
    if not isinstance(given, dict):
        raise ValueError(
            f"{config.name} has quantization_config={given!r}, which is no "
            "object."
        )
    method = str(given.get("quant_method"))
    if method in _REFUSED:
        raise ValueError(
            f"{config.name} is quantized by {_REFUSED[method]}, which is not "
            "read here: take the checkpoint that it was made from, and "
            'quantize the model with model.quantize("int8") of Keras.'
        )


def dequantized(stored):
    """Replaces quantized tensors, with their scales, by floats.

    Args:
        stored: dictionary from name to `Stored`.

    Returns:
        Such a dictionary, whose quantized tensors are float32 when they are
        loaded: FP8 with a scale for each block of 128 by 128, each row or the
        whole (DeepSeek-V3), and MXFP4, pairs of values with an exponent for
        each 32 (gpt-oss).
    """
    found = dict(stored)
    for name, entry in stored.items():
        if entry.dtype.name.startswith("float8_e4m3"):
            scales = next((s for s in _SCALES if f"{name}{s}" in stored), None)
            if scales is not None:
                scale = found.pop(f"{name}{scales}")
                found[name] = _combined(entry, scale, name, entry.shape, _fp8)
        elif name.endswith("_blocks"):
            whole = name.removesuffix("_blocks")
            scale = found.pop(f"{whole}_scales", None)
            if scale is None:
                raise ValueError(f"{entry.path} has no {whole}_scales.")
            *experts, rows, groups, width = entry.shape
            shape = (*experts, groups * width * 2, rows)
            del found[name]
            found[whole] = _combined(entry, scale, whole, shape, _mxfp4)
    return found


def _combined(entry, scale, name, shape, read):
    return entry._replace(
        name=name,
        shape=tuple(shape),
        dtype=np.dtype("float32"),
        where=(entry, scale),
        read=read,
    )


def _fp8(stored):
    entry, scale = stored.where
    numbers = entry.load().astype("float32")
    scale = scale.load().astype("float32")
    rows = numbers.shape[0]
    if scale.size == 1:
        return numbers * scale.reshape(())
    if scale.shape in ((rows,), (rows, 1)):
        return numbers * scale.reshape(-1, 1)
    blocks = tuple(-(-size // _BLOCK) for size in numbers.shape)
    if scale.shape != blocks:
        raise ValueError(
            f"{entry.name} in {entry.path} has scales of the shape "
            f"{scale.shape}; of blocks of {_BLOCK} by {_BLOCK}, which alone "
            f"are read, there are {blocks}."
        )
    for axis, size in enumerate(numbers.shape):
        # The last block may be smaller.
        scale = np.repeat(scale, _BLOCK, axis=axis)
        scale = np.take(scale, np.arange(size), axis=axis)
    return numbers * scale


def _mxfp4(stored):
    entry, scale = stored.where
    blocks = entry.load()  # (..., rows, groups, 16)
    exponents = scale.load().astype("int32") - _BIAS
    pairs = np.stack([_FP4[blocks & 15], _FP4[blocks >> 4]], axis=-1)
    pairs = np.ldexp(pairs, exponents[..., None, None])
    *experts, rows, _, _ = blocks.shape
    values = pairs.reshape(*experts, rows, -1)
    return np.swapaxes(values, -1, -2)
