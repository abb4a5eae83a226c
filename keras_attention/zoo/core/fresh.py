"""Models whose weights have no numbers yet."""

import contextlib
import math

import keras
import numpy as np

# Keras has no public way to build a layer without drawing its weights.
from keras.src.backend.common import global_state

_ALIGNMENT = 64  # bytes, what TensorFlow and XLA want of a tensor
_ROWS = 64  # of a matrix, that are transposed at once
_WAITING = "uninitialized_variables"


@contextlib.contextmanager
def without_numbers():
    """Builds models in this context without drawing their weights.

    Yields:
        A list, which holds the variables when the context ends. Each gets its
        numbers by `give` or `draw`.
    """
    waiting = global_state.get_global_attribute(_WAITING, [])
    global_state.set_global_attribute(_WAITING, [])
    found = []
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield found
        found += global_state.get_global_attribute(_WAITING, [])
    finally:
        global_state.set_global_attribute(_WAITING, waiting)


def copied(value, variable):
    """Copies numbers into an array that `give` can take as it is.

    Args:
        value: NumPy array of as many numbers as the variable, in its order;
            it may lie in memory in another one.
        variable: a `keras.Variable`.

    Returns:
        A NumPy array of the shape and dtype of the variable.
    """
    dtype = np.dtype(variable.dtype)
    size = math.prod(variable.shape) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    array = raw[start : start + size].view(dtype)
    target = array.reshape(value.shape)
    # A matrix that lies the other way round is copied by some of its rows,
    # which stay in the processor's cache: twice as fast.
    step = _ROWS if value.ndim == 2 and value.flags.f_contiguous else None
    for first in range(0, value.shape[1], step) if step else ():
        target[:, first : first + step] = value[:, first : first + step]
    if not step:
        target[...] = value
    return array.reshape(variable.shape)


def give(variable, array):
    """Sets a variable that has no numbers yet.

    Args:
        variable: a `keras.Variable`.
        array: what `copied` gave, which nobody else may change.
    """

    def initializer(shape, dtype=None):
        return _without_copy(array)

    variable._initializer = initializer
    variable._deferred_initialize()


def _without_copy(array):
    backend = keras.backend.backend()
    # DLPack of NumPy knows neither bfloat16 nor booleans.
    if backend == "tensorflow" and array.dtype.kind in "fiu" and array.size:
        import tensorflow as tf

        # `tf.constant` copies twice.
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return keras.ops.convert_to_tensor(array)


def draw(variable):
    """Draws the numbers of a variable as its layer would have."""
    variable._deferred_initialize()
