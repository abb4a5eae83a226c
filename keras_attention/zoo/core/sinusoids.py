"""Tables of sinusoids that files keep, though they are computed here."""

import ml_dtypes
import numpy as np
from keras import ops

from keras_attention.positions.absolute.sinusoidal import SinusoidalEncoding

_LARGEST_DIFFERENCE = 1e-4


def check_sinusoids(base, stored):
    """Refuses a file whose table of positions is another than that computed.

    Args:
        base: a model of encoder and decoder, or of one of them.
        stored: as of `checkpoint.opened`.

    Raises:
        ValueError: for the first table that differs.
    """
    for side in ("encoder", "decoder"):
        position = getattr(getattr(base, side, None), "position", None)
        if not isinstance(position, SinusoidalEncoding):
            continue
        for name, tensor in stored.items():
            table = f"{side}.embed_positions.weight"
            if name.removesuffix("s").endswith(table):
                _check(tensor, position, getattr(base, side).hidden_dim)


def _check(tensor, position, width):
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise ValueError(
            f"{tensor.name} in {tensor.path} has the shape {tensor.shape}; by "
            f"config.json it has {width} columns."
        )
    # No token is at the rows before.
    found = tensor.load()[position.offset :].astype("float32")
    zeros = np.zeros((1, *found.shape), "float32")
    expected = ops.convert_to_numpy(position.embed(zeros))[0]
    difference = np.abs(found - expected).max(initial=0.0)
    # Of the numbers, and of angles, which are as large as rows are many.
    rounding = float(ml_dtypes.finfo(tensor.dtype).eps)
    of_angles = len(found) * float(np.finfo("float32").eps)
    if not difference <= max(_LARGEST_DIFFERENCE, rounding, of_angles):
        raise ValueError(
            f"{tensor.name} in {tensor.path} holds other positions than "
            f"sinusoids, by up to {difference:.2g}. They are computed here, "
            "so that a model of this file would be another."
        )
