"""Recurrent cells by name, and the loop over time."""

import keras
from keras import ops, tree

# Keras has no public loop over time that XLA can differentiate on TensorFlow:
# `ops.scan` cannot be, and `keras.layers.RNN` makes floats of every state.
from keras.src.backend import rnn as run_over_time

_CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}
_STATES = {"gru": ("hidden",), "lstm": ("hidden", "cell")}


def make_cell(cell, hidden_dim, **kwargs):
    """Makes a recurrent cell.

    Args:
        cell: `"gru"` (Cho et al. 2014, in the form of cuDNN and PyTorch: the
            reset gate acts after the product) or `"lstm"` (Hochreiter,
            Schmidhuber 1997).
        hidden_dim: integer, width of the state.
        **kwargs: `name`, `dtype`.

    Returns:
        An unbuilt `keras.layers.GRUCell` or `LSTMCell`.

    Raises:
        ValueError: for another name.
    """
    if not isinstance(cell, str) or cell not in _CELLS:
        raise ValueError(
            f'cell must be one of "gru" and "lstm". Received: {cell!r}'
        )
    return _CELLS[cell](hidden_dim, **kwargs)


def state_names(cell):
    """Names the states of a cell, the one that it shows first."""
    return _STATES[cell]


def check_sizes(dropout, **sizes):
    """Raises ValueError for sizes that are no positive integers."""
    for name, number in sizes.items():
        if type(number) is not int or number < 1:
            raise ValueError(
                f"{name} must be a positive integer. Received: {number!r}"
            )
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must lie in [0, 1). Received: {dropout}")


def repeat_over_time(step, x, state):
    """Applies a step to one place of a sequence after another.

    Args:
        step: function `(x, state, index) -> (output, state)`, from
            `(batch, dim)` to an output `(batch, output_dim)`. `index` counts
            the places from 0. It may change no shape and no type.
        x: `(batch, length, dim)`.
        state: nested dictionary of tensors.

    Returns:
        `(outputs, state)`: `(batch, length, output_dim)` and the last state.
    """
    if x.shape[1] == 1:
        # One token of a decoding loop, where a loop within costs more than
        # its contents.
        output, state = step(x[:, 0], state, 0)
        return output[:, None], state

    def advance(x, states):
        index, *states = states
        before = tree.pack_sequence_as(state, states)
        output, after = step(x, before, index)
        return output, [index + 1, *tree.flatten(after)]

    states = [ops.zeros((), "int32"), *tree.flatten(state)]
    _, outputs, states = run_over_time(advance, x, states)
    return outputs, tree.pack_sequence_as(state, list(states)[1:])


class HeldDraws:
    """Lets a layer draw random numbers inside a loop.

    A seed that moves on inside a loop would leak out of it on JAX. So every
    place of the sequence gets seeds of its own, drawn before the loop from
    those of the layer, and the layer is used with copies of its variables.

    Args:
        layer: a built layer, or None.
        length: integer, the places of the sequence.
        training: whether the layer will be used in training; otherwise it
            draws nothing.
    """

    def __init__(self, layer, length, training):
        self._seeds = []
        if layer is None or not training:
            return
        generators = {
            id(part): part
            for sublayer in layer._flatten_layers()
            for part in vars(sublayer).values()
            if isinstance(part, keras.random.SeedGenerator)
        }
        self._seeds = [
            (generator.state, _draw_seeds(generator, length))
            for generator in generators.values()
        ]
        if self._seeds:
            states = {id(state) for state, _ in self._seeds}
            self._others = [
                (variable, variable.value)
                for variable in layer.variables
                if id(variable) not in states
            ]

    def at(self, index, function):
        """Calls a function that uses the layer, with the draws of a place.

        Args:
            index: integer, the place.
            function: function without arguments.

        Returns:
            What the function returned.
        """
        if not self._seeds:
            return function()
        seeds = [
            (state, ops.take(drawn, index, axis=0))
            for state, drawn in self._seeds
        ]
        with keras.StatelessScope(state_mapping=[*self._others, *seeds]):
            return function()


def _draw_seeds(generator, length):
    seeds = keras.random.randint((length, 2), 0, 2**31 - 1, seed=generator)
    return ops.cast(seeds, generator.state.dtype)
