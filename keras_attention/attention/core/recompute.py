"""Parts of a call that the backward pass computes again."""

import keras


class UnlistedVariable(Exception):
    """Raised where a part reads a variable that is not among its arguments.

    Attributes:
        variable: the variable.
    """

    def __init__(self, variable):
        super().__init__(variable.path)
        self.variable = variable


class Recomputation:
    """Calls functions of float tensors, to be computed again backwards.

    What has a gradient is an argument, the variables that a function reads
    among it, and the rest is captured: on TensorFlow recomputation loses the
    gradients of captured tensors and warns of integer arguments.

    Made outside of the loops that use it, since a TensorFlow loop cannot
    differentiate a variable that it reads inside.

    Args:
        variables: those that the functions read.
    """

    def __init__(self, variables):
        # As a sum, since eagerly the variable itself would be counted once
        # more, beside the argument.
        floats = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
        self.variables, self.values = floats, [v + 0.0 for v in floats]

    def __call__(self, function, *tensors, recompute=True):
        """Gives `function(*tensors)`.

        Args:
            function: function of `tensors`, which are floats.
            recompute: whether the backward pass computes it again; else it
                is called with the values of the variables alone.

        Raises:
            UnlistedVariable: if it reads another variable of floats.
        """

        def run(*arguments):
            count = len(tensors)
            mapping = zip(self.variables, arguments[count:], strict=True)
            with _ListedVariables(list(mapping)):
                return function(*arguments[:count])

        run = keras.remat(run) if recompute else run
        return run(*tensors, *self.values)


class _ListedVariables(keras.StatelessScope):
    """The values of variables, and none but these."""

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and keras.backend.is_float_dtype(variable.dtype):
            raise UnlistedVariable(variable)
        return value
