"""Random draws inside a loop."""

import keras
from keras import ops


class LoopDraws:
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
