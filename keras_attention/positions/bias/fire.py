"""Functional interpolation of relative positions."""

import keras
from keras import initializers, ops

from keras_attention.checks import check_integer, check_number
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.distances import (
    heads_second,
    pair_distances,
    spread_distances,
)
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32, known_integer

# Keeps the quotient finite where c becomes 0, as in the paper's code.
_EPSILON = 1e-6


@keras.saving.register_keras_serializable(package=PACKAGE)
class FIRE(PositionalEncoding):
    """Adds a small network's output for the share of the way to a key.

    A query at position i and a key at j get from a network f, one number a
    head, the bias

        f(log(c * |i - j| + 1) / log(c * max(i, L) + 1))

    The distance is a share of the longest one there is, so that lengths never
    seen look like those seen; up to the threshold L it is a share of L, so
    that short sequences keep their detail. Queries up to L see a bias by
    distance alone; behind it the same distance counts for less the later the
    query stands, by definition, so that a shifted sequence is another one.

    In calls that are not causal, later keys count like those at the same
    distance before the query, and i remains the position of the query. (The
    paper has causal models; its code takes the absolute value.) Keys more
    than max(i, L) behind the query give shares above 1.

    While all queries of a call in order and of a known length stand up to L,
    the network runs once a distance. Otherwise it runs for each pair of
    positions, whatever the batch, and once more backwards instead of keeping
    `width` numbers a pair.

    Args:
        width: integer, hidden units of the network, which has one layer of
            them and ReLU. Kernel and offset of that start evenly from -1 to
            1, the kernel behind it up to `width ** -0.5`, as in the paper's
            code.
        initial_c: positive number, c at first; learned.
        initial_threshold: positive number, L at first. What is learned is
            the factor of it, first 1.
        shared: whether the blocks of a model use one network (the paper's
            FIRE-S) or each its own.

    Raises:
        ValueError: for numbers that are not positive.

    Example:

    ```python
    import keras
    from keras_attention import FIRE, TransformerDecoder

    model = TransformerDecoder(
        100, 2, 32, 4, position=FIRE(width=16)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Li et al. 2024, Functional Interpolation for Relative Positions
        Improves Long Context Transformers, https://arxiv.org/abs/2310.04418
    """

    paper = "Li et al. 2024"

    def __init__(
        self,
        width=32,
        initial_c=0.1,
        initial_threshold=512.0,
        shared=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = check_integer("width", width)
        self.initial_c = check_number("initial_c", initial_c)
        self.initial_threshold = check_number(
            "initial_threshold", initial_threshold
        )
        self.shared = shared

    def build(self, input_shape):
        heads, width = input_shape[-2], self.width
        scale = initializers.Constant(self.initial_c)
        self.c = self._add("c", (), scale)
        self.threshold_factor = self._add("threshold_factor", (), "ones")
        self.hidden_kernel = self._add("hidden_kernel", (width,), _even(1.0))
        self.hidden_offset = self._add("hidden_offset", (width,), _even(1.0))
        self.kernel = self._add("kernel", (width, heads), _even(width**-0.5))
        self.offset = self._add("offset", (heads,), "zeros")

    def _add(self, name, shape, initializer):
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, autocast=False
        )

    def bias(self, query, key, query_positions, key_positions, causal):
        positions = ops.cast(query_positions, self._dtype)
        threshold = self._threshold()
        # Not the maximum, whose gradient at a tie is each backend's own.
        reach = ops.where(positions > threshold, positions, threshold)
        distances = pair_distances(query_positions, key_positions)

        def network(reach, *weights):
            return _network(distances, reach, *weights)

        # Computed again backwards: each pair would hold `width` numbers, even
        # where JAX does not choose this branch of a condition.
        numbers = keras.remat(network)(reach[..., None], *self._weights())
        return heads_second(numbers)

    def bias_in(self, query, key, visible):
        def by_pair():
            return super(FIRE, self).bias_in(query, key, visible)

        def by_distance():
            weights = self._threshold(), *self._weights()
            return spread_distances(
                lambda distances: _network(distances, *weights), visible
            )

        positions, keys = visible.query_positions, visible.key_positions
        lengths = positions.shape[0], keys.shape[0]
        # XLA on TensorFlow does not differentiate the condition where a
        # length is unknown.
        known = None not in map(known_integer, lengths)
        if not (visible.is_ordered and known):
            return by_pair()
        last = positions[0] + ops.shape(positions)[0] - 1
        near = ops.cast(last, self._dtype) <= self._threshold()
        return ops.cond(near, by_distance, by_pair)

    def _threshold(self):
        factor = ops.cast(self.threshold_factor, self._dtype)
        return ops.absolute(factor * self.initial_threshold)

    def _weights(self):
        weights = (
            self.c,
            self.hidden_kernel,
            self.hidden_offset,
            self.kernel,
            self.offset,
        )
        return [ops.cast(weight, self._dtype) for weight in weights]

    @property
    def _dtype(self):
        return at_least_float32(self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "initial_c": self.initial_c,
            "initial_threshold": self.initial_threshold,
            "shared": self.shared,
        }


def _network(distances, reach, c, hidden_kernel, hidden_offset, kernel, offset):
    """Gives `(heads, *shape of distances)` for distances within a reach."""
    distances = ops.cast(ops.absolute(distances), c.dtype)
    shares = ops.log1p(ops.absolute(c * distances)) / (
        ops.log1p(ops.absolute(c * reach)) + _EPSILON
    )
    shape = ops.shape(shares)
    # With pairs last, what comes out needs no transposition.
    shares = ops.reshape(shares, (1, -1))
    hidden = hidden_kernel[:, None] * shares + hidden_offset[:, None]
    numbers = ops.matmul(ops.transpose(kernel), ops.relu(hidden))
    return ops.reshape(numbers + offset[:, None], (-1, *shape))


def _even(bound):
    return initializers.RandomUniform(-bound, bound)
