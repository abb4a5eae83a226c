"""What is known of a tensor while a graph is traced."""

import contextlib
import contextvars
import operator

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

_FIXED = contextvars.ContextVar("fixed_sizes", default=False)


@contextlib.contextmanager
def fixed_sizes():
    """Says that a graph which torch traces serves the traced lengths alone."""
    token = _FIXED.set(True)
    try:
        yield
    finally:
        _FIXED.reset(token)


def known_integer(number):
    """The value of an integer; None where a graph computes it later."""
    if number is None:
        return None
    # A tensor with the size of the example, which the graph is not bound to.
    is_size = not isinstance(number, int) and is_traced_by_torch()
    if is_size and not _FIXED.get():
        return None
    try:
        return operator.index(number)
    except (AttributeError, RuntimeError, TypeError):
        return None


def is_made_up(x):
    """Whether Keras infers shapes from a length that nobody passed.

    Torch then has tensors without numbers, JAX a length without a value.

    Args:
        x: `(batch, length, ...)`.

    Raises:
        ValueError: if a length without a value is meant to be computed with:
            on JAX, or in a graph that torch traces.
    """
    device = getattr(x, "device", None)
    if getattr(device, "type", None) == "meta":
        return True
    length = x.shape[1]
    if length is None or known_integer(length) is not None:
        return False
    if in_symbolic_scope():
        return True
    if is_traced_by_torch():
        raise ValueError(
            "A graph that torch traces is to serve every length, and this "
            "attention needs one that is known. Export the model on "
            "TensorFlow, or give the export of a model of keras_attention an "
            "input_signature of fixed lengths"
        )
    raise ValueError(
        "On JAX this attention needs a length that is known. Received: "
        f"{length}, as an export of an Input of unknown length has; give the "
        "Input a length, as in keras.Input((128, dim)), or export on "
        "TensorFlow"
    )


def is_traced_by_torch():
    """Whether torch records a graph, as its export to ONNX does.

    Sizes are tensors then, since the graph is to serve others too.
    """
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.jit.is_tracing()


def at_least_float32(dtype):
    """The dtype to place features in: positions need more than half has."""
    dtype = keras.backend.standardize_dtype(dtype)
    return dtype if dtype == "float64" else "float32"


def concrete(tensor):
    """The values of an eager tensor or array as NumPy; None while tracing."""
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


def check_ids(name, ids, limit, argument, smallest=0):
    """Refuses what are no ids of a table, where their values are known.

    Left to themselves the backends answer with an internal error, a clamped
    id, or NaN, and cut off fractions.

    Args:
        name: what the ids are called in the error message.
        ids: integers of any shape; of a float dtype they will do too.
        limit: integer, the first that is none.
        argument: what the limit is called in the error message.
        smallest: integer, the smallest id.

    Raises:
        ValueError: for an id outside the table, or one with a fraction.
    """
    ids = concrete(ids)
    if ids is None or ids.size == 0:
        return
    if ids.dtype.kind not in "iub":
        wrong = ids[ids != np.floor(ids)]
        if wrong.size:
            raise ValueError(
                f"{name} must be integers. Received: {wrong.flat[0]}"
            )
    low, high = ids.min(), ids.max()
    if low < smallest or high >= limit:
        raise ValueError(
            f"{name} must lie in [{smallest}, {argument}={limit}). "
            f"Received ids from {low} to {high}."
        )
