"""Whether token ids are integers in a vocabulary."""

import keras
import numpy as np
from keras import ops


def check_ids(name, token_ids, vocabulary_size):
    """Refuses what are no ids of a vocabulary, where their values are known.

    Left to themselves the backends answer with an internal error, a clamped
    id, or NaN, and cut off fractions.

    Args:
        name: what the ids are called in the error message.
        token_ids: integers of any shape; of a float dtype they will do too.
        vocabulary_size: integer.

    Raises:
        ValueError: for an id outside the vocabulary, or one with a fraction.
    """
    token_ids = _concrete(token_ids)
    if token_ids is None or token_ids.size == 0:
        return
    if token_ids.dtype.kind not in "iub":
        wrong = token_ids[token_ids != np.floor(token_ids)]
        if wrong.size:
            raise ValueError(
                f"{name} must be integers. Received: {wrong.flat[0]}"
            )
    low, high = token_ids.min(), token_ids.max()
    if low < 0 or high >= vocabulary_size:
        raise ValueError(
            f"{name} must lie in [0, vocabulary_size={vocabulary_size}). "
            f"Received ids from {low} to {high}."
        )


def _concrete(tensor):
    """The values of an eager tensor as NumPy; None while tracing."""
    if isinstance(tensor, keras.KerasTensor):
        return None
    if keras.backend.backend() == "jax":
        import jax

        traced = isinstance(tensor, jax.core.Tracer)
    elif keras.backend.backend() == "tensorflow":
        traced = not hasattr(tensor, "numpy")
    else:
        traced = tensor.device.type == "meta"
    return None if traced else np.asarray(ops.convert_to_numpy(tensor))
