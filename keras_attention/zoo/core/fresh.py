"""Models whose weights have no numbers yet."""

import contextlib

import keras
import numpy as np

# Keras has no public way to build a layer without drawing its weights.
from keras.src.backend.common import global_state

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


def give(variable, value):
    """Sets a variable that has no numbers yet.

    Args:
        variable: a `keras.Variable`.
        value: NumPy array of its shape, which is copied.
    """
    if keras.backend.backend() != "tensorflow":  # which copies by itself
        value = np.array(value)

    def initializer(shape, dtype=None):
        return keras.ops.convert_to_tensor(value, dtype=dtype)

    variable._initializer = initializer
    variable._deferred_initialize()


def draw(variable):
    """Draws the numbers of a variable as its layer would have."""
    variable._deferred_initialize()
