"""Which tokens of a sequence attend to all and are attended by all."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.attention.core.checks import refuse_unless
from keras_attention.checks import check_shape
from keras_attention.masks import as_mask
from keras_attention.tensors import known_integer


class FirstTokens(NamedTuple):
    """The first tokens of every row.

    Attributes:
        positions: integers `(count,)`.
        mask: boolean `(batch or 1, count)`, those that count.
        is_global: boolean `(1, length)`.
    """

    positions: Any
    mask: Any
    is_global: Any

    @classmethod
    def find(cls, count, visible):
        """Takes as many as there are, up to `count`."""
        places = ops.arange(ops.shape(visible.key_positions)[0], dtype="int32")
        is_global = (places < count)[None]
        mask = is_global
        if visible.padding_mask is not None:
            mask = ops.logical_and(mask, visible.padding_mask)
        return cls(visible.key_positions[:count], mask[:, :count], is_global)

    def take(self, x):
        """Cuts their rows out of `(batch, length, ...)`."""
        return x[:, : self._count()]

    def put(self, rows, x):
        """Replaces their rows in `(batch, length, ...)`."""
        return ops.concatenate([rows, x[:, self._count() :]], axis=1)

    def _count(self):
        return ops.shape(self.positions)[0]


class MarkedTokens(NamedTuple):
    """Other tokens in every row, in their order, and places left empty.

    Attributes:
        positions: integers `(batch, most)`; 0 at empty places.
        mask: boolean `(batch, most)`, False at empty places.
        is_global: boolean `(batch, length)`.
        places: integers `(batch, most)`, their rows.
        ranks: integers `(batch, length)`, which place each token has.
    """

    positions: Any
    mask: Any
    is_global: Any
    places: Any
    ranks: Any

    @classmethod
    def find(cls, marked, most, visible):
        """Takes the first `most` that are marked and no padding.

        Args:
            marked: boolean `(batch, length)`.
            most: integer.
            visible: the `Visibility` of the call.
        """
        if visible.padding_mask is not None:
            marked = ops.logical_and(marked, visible.padding_mask)
        ranks = ops.cumsum(ops.cast(marked, "int32"), axis=1) - 1
        is_global = ops.logical_and(marked, ranks < most)
        length = ops.shape(marked)[1]
        # The earlier a token, the larger its number; empty places have 0.
        numbers = length - ops.arange(length, dtype="int32")
        numbers = ops.where(is_global, numbers, 0)
        numbers, _ = ops.top_k(ops.pad(numbers, [(0, 0), (0, most)]), most)
        mask = numbers > 0
        places = ops.where(mask, length - numbers, 0)
        positions = ops.take(visible.key_positions, places)
        ranks = ops.clip(ranks, 0, most - 1)
        return cls(positions, mask, is_global, places, ranks)

    def take(self, x):
        """Cuts their rows out of `(batch, length, ...)`."""
        return _rows(x, self.places)

    def put(self, rows, x):
        """Replaces their rows in `(batch, length, ...)`."""
        chosen = _as_high(self.is_global, x)
        return ops.where(chosen, _rows(rows, self.ranks), x)


def _rows(x, places):
    return ops.take_along_axis(x, _as_high(places, x), axis=1)


def _as_high(index, x):
    return ops.reshape(index, (*ops.shape(index), *[1] * (len(x.shape) - 2)))


def check_global_mask(layer, global_mask, query):
    """Reads a `global_mask`, and refuses one that does not fit.

    Args:
        layer: the `LongformerAttention`.
        global_mask: boolean `(batch, length)`, or None.
        query: `(batch, length, dim)`.

    Returns:
        A boolean tensor, or None.
    """
    if global_mask is None:
        return None
    refuse_unless(
        layer,
        not layer.position.acts_on_scores,
        f"{type(layer.position).__name__} together with global_mask",
        "place the global tokens first and use num_global_tokens, or "
        "another position",
    )
    global_mask = as_mask("global_mask", global_mask)
    check_shape("global_mask", global_mask, tuple(query.shape[:2]))
    if 0 in tuple(global_mask.shape):
        return global_mask
    marked = ops.sum(ops.cast(global_mask, "int32"), axis=1)
    most = known_integer(ops.max(marked))
    if most is not None and most > layer.max_global_tokens:
        raise ValueError(
            "global_mask may mark at most max_global_tokens="
            f"{layer.max_global_tokens} tokens in a row. Received: {most}"
        )
    return global_mask
