"""Setting large weights from a file, some rows at a time."""

import contextlib

import keras
from keras.src.backend.common.stateless_scope import (
    get_stateless_scope,
    in_stateless_scope,
)

# Beside an array that it has read, Keras makes a tensor as large.
_LARGE = 2**26  # bytes
_AT_ONCE = 2**24


@contextlib.contextmanager
def assigned_by_rows(model):
    """Has large weights of a model take arrays some rows at a time.

    On JAX, whose arrays cannot be changed, only a rehearsal makes none.

    Args:
        model: a built model.

    Yields:
        Nothing; meanwhile `assign` of these variables makes no whole tensor.
    """
    large = [
        variable
        for variable in {id(x): x for x in model.weights}.values()
        if len(variable.shape) > 1 and _bytes_of(variable) > _LARGE
    ]
    try:
        for variable in large:
            variable.assign = _Assign(variable)
        yield
    finally:
        for variable in large:
            vars(variable).pop("assign", None)


class _Assign:
    """Stands in for the `assign` of a variable."""

    def __init__(self, variable):
        self._variable = variable

    def __call__(self, value):
        variable = self._variable
        fits = tuple(value.shape) == tuple(variable.shape)
        # A rehearsal sets nothing, and what does not fit is Keras' to refuse.
        if in_stateless_scope() and fits:
            get_stateless_scope().add_update((variable, None))
            return value
        is_fixed = keras.backend.backend() == "jax"
        if in_stateless_scope() or is_fixed or not fits:
            return type(variable).assign(variable, value)
        rows = max(1, _AT_ONCE // (_bytes_of(variable) // variable.shape[0]))
        for start in range(0, variable.shape[0], rows):
            part = slice(start, start + rows)
            _set_rows(variable, part, value[part])
        return variable.value


def _bytes_of(variable):
    width = keras.backend.standardize_dtype(variable.dtype)
    numbers = 1
    for size in variable.shape:
        numbers *= size
    return numbers * (8 if "64" in width else 4 if "32" in width else 2)


def _set_rows(variable, part, rows):
    tensor = keras.ops.convert_to_tensor(rows, variable.dtype)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # `value[part].assign` reads all of it before, and may copy it then.
        tf.raw_ops.ResourceStridedSliceAssign(
            ref=variable._value.handle,
            begin=[part.start],
            end=[part.start + tensor.shape[0]],
            strides=[1],
            value=tensor,
        )
        return
    import torch

    with torch.no_grad():
        variable._value[part].copy_(tensor)
