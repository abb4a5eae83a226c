"""Biases that depend on the distance from a query back to a key alone."""

from keras import ops

from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core import relative_shift


class DistanceBias(PositionalEncoding):
    """Base of encodings whose bias is a function of the distance.

    An encoding overrides `of_distance`. Where queries and keys are known to
    stand in order, that is asked for each distance that occurs, once, and the
    numbers are spread over the pairs; else for each pair.
    """

    def of_distance(self, distances, causal):
        """Gives the bias of every head at some distances.

        Args:
            distances: int32 of any shape, positions of queries less those of
                keys. In a causal call those below 0 do not count, but their
                bias must be finite.
            causal: whether queries see only the past.

        Returns:
            `(heads, *shape of distances)`, float32 or float64.
        """
        raise self._not_implemented_error(self.of_distance)

    def bias(self, query, key, query_positions, key_positions, causal):
        distances = pair_distances(query_positions, key_positions)
        return heads_second(self.of_distance(distances, causal))

    def bias_in(self, query, key, visible):
        if not visible.is_ordered:
            return super().bias_in(query, key, visible)
        return spread_distances(
            lambda distances: self.of_distance(distances, visible.causal),
            visible,
        )


def as_positions(positions):
    """Gives positions of any kind as integers of 32 bits."""
    return ops.cast(ops.convert_to_tensor(positions), "int32")


def pair_distances(query_positions, key_positions):
    """Gives how far each query stands behind each key.

    Args:
        query_positions: integers `(..., query_length)`.
        key_positions: integers `(..., key_length)`.

    Returns:
        int32 `(..., query_length, key_length)`.
    """
    queries, keys = map(as_positions, (query_positions, key_positions))
    return queries[..., :, None] - keys[..., None, :]


def stretch(visible):
    """Lists the distances that occur where positions are in order.

    Args:
        visible: a `Visibility` that is ordered.

    Returns:
        Integers as `skewing.distances` gives them.
    """
    # Later keys may be left out only where the last query stands at the last
    # key, which blocks of queries that are padded at their end do not.
    return relative_shift.distances(
        as_positions(visible.query_positions),
        as_positions(visible.key_positions),
        causal=visible.causal and visible.is_self,
    )


def spread_distances(function, visible):
    """Asks for the numbers of each distance once, and lays them out by pairs.

    Args:
        function: from int32 `(stretch,)` to `(heads, stretch)`.
        visible: a `Visibility` that is ordered.

    Returns:
        `(1, heads, query_length, key_length)`.
    """
    places = visible.query_positions, visible.key_positions
    lengths = [ops.shape(positions)[0] for positions in places]
    return relative_shift.spread(function(stretch(visible)), *lengths)[None]


def heads_second(x):
    """Moves heads behind the rows of positions, if there are any.

    Args:
        x: `(heads, query_length, key_length)`, or `(heads, rows,
            query_length, key_length)`.

    Returns:
        `(rows or 1, heads, query_length, key_length)`.
    """
    return x[None] if len(x.shape) == 3 else ops.swapaxes(x, 0, 1)


def along_heads(x, like):
    """Shapes a number a head to act on distances of any shape.

    Args:
        x: `(heads,)`.
        like: the distances.

    Returns:
        `(heads, 1, ..., 1)`.
    """
    return ops.reshape(x, (-1, *[1] * len(like.shape)))
