"""Whether token ids lie in a vocabulary."""

import keras
import numpy as np
from keras import ops


def check_ids(name, token_ids, vocabulary_size):
    """Refuses ids outside a vocabulary, where their values are known.

    Left to themselves the backends answer with an internal error, a clamped
    id, or NaN.

    Args:
        name: what the ids are called in the error message.
        token_ids: integers of any shape.
        vocabulary_size: integer.

    Raises:
        ValueError: for an id outside the vocabulary.
    """
    token_ids = _concrete(token_ids)
    if token_ids is None or token_ids.size == 0:
        return
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
