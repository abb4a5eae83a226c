"""Dropout of attention, the same each time a part is computed."""

import keras


class OutputDropout:
    """Dropout of mixed heads; mixed into `Attention`."""

    def drop(self, output, training):
        """Applies dropout to mixed heads, for flavours that form no weights.

        Args:
            output: `(batch, query_length, num_heads, head_dim)`.
            training: whether to apply it.

        Returns:
            A tensor of the same shape.
        """
        if not (self.dropout and training):
            return output
        seed = self.seed_generator
        return keras.random.dropout(output, self.dropout, seed=seed)


class DrawnSeed(keras.random.SeedGenerator):
    """A seed that is drawn already and stays the same.

    Dropout inside `keras.remat` is computed twice and must draw the same
    numbers both times, so the seed is drawn outside and handed in.

    Args:
        value: integer tensor `(2,)` from `SeedGenerator.next()`.
    """

    # No `super().__init__()`: it would create a variable.
    def __init__(self, value):
        self.value = value
        self._initial_seed = 0

    def next(self, ordered=True):
        return self.value
