"""Relative positions as vectors of keys and values."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.distances import (
    as_positions,
    pair_distances,
)
from keras_attention.positions.relative.distance_products import (
    laid_out,
    pairs,
    products,
    widened,
)
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShawRelative(PositionalEncoding):
    """Adds a vector to every key, and to every value, by their distance.

    The score of query i and key j is `q_i (k_j + a_K[j - i]) / sqrt(d)`, and
    the output `sum_j w_ij (v_j + a_V[j - i])`; distances beyond
    `max_distance` count as that. The vectors, `(2 * max_distance + 1,
    head_dim)` for keys and as many for values, serve all heads and start as
    Glorot and Bengio draw them.

    Args:
        max_distance: integer, up to which distances to each side have a
            vector of their own.
        use_values: whether values get vectors too. Flavours whose values are
            not as wide as queries, or that form no weights, ask for False.
        shared: whether the blocks of a model use the same vectors; by default
            each has its own.

    Raises:
        ValueError: if `max_distance` is no positive integer.

    Example:

    ```python
    import keras
    from keras_attention import ShawRelative, TransformerEncoder

    model = TransformerEncoder(
        100, 2, 32, 4, position=ShawRelative(max_distance=8)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Shaw et al. 2018, Self-Attention with Relative Position
        Representations, https://arxiv.org/abs/1803.02155
    """

    paper = "Shaw et al. 2018"

    def __init__(
        self, max_distance=16, use_values=True, shared=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.max_distance = check_integer("max_distance", max_distance)
        self.use_values = use_values
        self.shared = shared

    def overrides(self, *hooks):
        if not self.use_values:
            hooks = [hook for hook in hooks if hook != "values"]
        return super().overrides(*hooks)

    def build(self, input_shape):
        options = {
            "shape": (2 * self.max_distance + 1, input_shape[-1]),
            "initializer": "glorot_uniform",
            "autocast": False,
        }
        self.of_keys = self.add_weight(name="of_keys", **options)
        if self.use_values:
            self.of_values = self.add_weight(name="of_values", **options)

    def bias(self, query, key, query_positions, key_positions, causal):
        query = widened(query)
        vectors = ops.cast(self.of_keys, query.dtype)
        vectors = vectors * self.scale(query.shape[-1])
        rows = self._rows(query_positions, key_positions)
        # Quicker than to skew products with a vector for each place, which
        # are as many as keys or more.
        return laid_out(products(query, vectors), rows)

    def values(self, weights, query_positions, key_positions):
        if not self.use_values:
            return None
        weights = widened(weights)
        vectors = ops.cast(self.of_values, weights.dtype)
        rows = self._rows(query_positions, key_positions)
        totals = _totals(weights, rows, vectors.shape[0])
        return ops.swapaxes(ops.einsum("bhtr,rd->bhtd", totals, vectors), 1, 2)

    def values_in(self, weights, visible):
        if not (self.use_values and visible.is_ordered):
            return super().values_in(weights, visible)
        weights = widened(weights)
        vectors = ops.cast(self.of_values, weights.dtype)
        totals = self._totals_in_order(weights, visible)
        return ops.swapaxes(ops.einsum("bhtr,rd->bhtd", totals, vectors), 1, 2)

    def _totals_in_order(self, weights, visible):
        """Does what `_totals` does: near keys are few, far ones are summed."""
        positions = visible.query_positions, visible.key_positions
        queries, keys = map(as_positions, positions)
        most = self.max_distance
        near = ops.arange(1 - most, most, dtype="int32")
        places = (queries - keys[0])[:, None] + near
        last = ops.shape(keys)[0] - 1
        exist = ops.logical_and(places >= 0, places <= last)
        found = laid_out(weights, ops.clip(places, 0, last)[None, None])
        distances = pair_distances(queries, keys)
        far = ops.stack([distances >= most, distances <= -most], axis=-1)
        # Less time than two sums of what a mask leaves.
        sums = ops.einsum(
            "bhts,tse->bhte", weights, ops.cast(far, weights.dtype)
        )
        found = ops.where(exist, found, 0.0)
        return ops.concatenate([sums[..., :1], found, sums[..., 1:]], axis=-1)

    def _rows(self, query_positions, key_positions):
        """The row of each pair, `(batch or 1, 1, query_length, key_length)`."""
        most = self.max_distance
        return ops.clip(-pairs(query_positions, key_positions), -most, most) + (
            most
        )

    def get_config(self):
        return {
            **super().get_config(),
            "max_distance": self.max_distance,
            "use_values": self.use_values,
            "shared": self.shared,
        }


def _totals(weights, rows, number):
    """Sums weights that go to the same vector; the transpose of `laid_out`.

    Args:
        weights: `(batch, heads, query_length, key_length)`.
        rows: integers `(batch or 1, 1, query_length, key_length)`.
        number: integer, vectors.

    Returns:
        `(batch, heads, query_length, number)`.
    """
    shape = ops.shape(weights)
    queries = shape[0] * shape[1] * shape[2]
    first = number * ops.arange(queries, dtype="int32")
    segments = ops.reshape(first, (*shape[:3], 1)) + rows
    totals = ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(segments, (-1,)),
        num_segments=queries * number,
    )
    return ops.reshape(totals, (*shape[:3], number))
