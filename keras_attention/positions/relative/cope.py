"""Contextual position encoding."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.distances import as_positions
from keras_attention.positions.relative.distance_products import (
    for_each_head,
    laid_out,
    pairs,
    products,
    widened,
)
from keras_attention.registry import PACKAGE

_BLOCK = 32


@keras.saving.register_keras_serializable(package=PACKAGE)
class CoPE(PositionalEncoding):
    """Counts as a position what the query looks for, not every token.

    The gate of query i and key j is `g_ij = sigmoid(q_i k_j / sqrt(d))`. The
    position of key j is the sum of the gates of the keys from j to i that the
    query sees, at most `max_position - 1`, and the score gets `q_i e[p]`,
    interpolated between the two integers around the position. So heads can
    count words, sentences, or whatever their gates open for.

    The vectors e, `(max_position, head_dim)`, serve all heads and start at
    zero, as in the authors' code; q is not scaled where it meets them.
    Positions count backwards from the query, so calls have to be causal. In
    a window the keys outside count nothing.

    Args:
        max_position: integer, number of vectors.
        shared: whether the blocks of a model use the same vectors; by default
            each has its own.

    Raises:
        ValueError: if `max_position` is less than 2, or in a call that is not
            causal.

    Example:

    ```python
    import keras
    from keras_attention import CoPE, TransformerDecoder

    model = TransformerDecoder(
        100, 2, 32, 4, position=CoPE(max_position=32)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Golovneva et al. 2024, Contextual Position Encoding,
        https://arxiv.org/abs/2405.18719
    """

    paper = "Golovneva et al. 2024"

    counts_keys = True
    causal_only = True

    def __init__(self, max_position=64, shared=False, **kwargs):
        super().__init__(**kwargs)
        self.max_position = check_integer("max_position", max_position, 2)
        self.shared = shared

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.max_position, input_shape[-1]),
            initializer="zeros",
            autocast=False,
        )

    def bias_in(self, query, key, visible):
        _refuse_unless_causal(visible.causal)
        mask = visible.dense()
        if visible.is_ordered:
            return self._bias(query, key, mask)
        return self._bias_in_any_order(query, key, mask, visible.key_positions)

    def bias(self, query, key, query_positions, key_positions, causal):
        _refuse_unless_causal(causal)
        mask = pairs(query_positions, key_positions) >= 0
        return self._bias_in_any_order(query, key, mask, key_positions)

    def _bias_in_any_order(self, query, key, mask, key_positions):
        """Does what `_bias` does for keys that are not in order."""
        key_positions = as_positions(key_positions)
        order = ops.argsort(key_positions, axis=-1)
        back = ops.argsort(order, axis=-1)
        if len(order.shape) == 1:
            key = ops.take(key, order, axis=1)
            mask = ops.take(mask, order, axis=-1)
            return ops.take(self._bias(query, key, mask), back, axis=-1)
        key = ops.take_along_axis(key, order[:, :, None, None], axis=1)
        order, back = order[:, None, None], back[:, None, None]
        mask = ops.take_along_axis(mask, order, axis=-1)
        bias = self._bias(query, key, mask)
        return ops.take_along_axis(bias, back, axis=-1)

    def _bias(self, query, key, mask):
        """Gives the bias of keys that stand in order.

        Args:
            query, key: as of `bias`.
            mask: boolean, broadcastable to the scores: the keys that the
                query sees.

        Returns:
            `(batch, heads, query_length, key_length)`.
        """
        gates = ops.sigmoid(self._scores(query, key))
        gates = ops.where(mask, gates, 0.0)
        places = ops.minimum(sums_of_rest(gates), self.max_position - 1.0)
        query = widened(query)
        found = products(query, ops.cast(self.table, query.dtype))
        # The step to the next vector beside each; behind the last is none.
        steps = found[..., 1:] - found[..., :-1]
        steps = ops.pad(steps, [(0, 0)] * 3 + [(0, 1)])
        below = ops.stop_gradient(ops.floor(places))
        rows = ops.cast(below, "int32")
        return laid_out(found, rows) + (places - below) * laid_out(steps, rows)

    def _scores(self, query, key):
        """The scaled products that attention itself computes."""
        query = ops.convert_to_tensor(query)
        key = for_each_head(ops.convert_to_tensor(key), query.shape[2])
        query = query * ops.cast(self.scale(query.shape[-1]), query.dtype)
        query, key = ops.swapaxes(query, 1, 2), ops.swapaxes(key, 1, 2)
        return widened(ops.einsum("bhtd,bhsd->bhts", query, key))

    def get_config(self):
        return {
            **super().get_config(),
            "max_position": self.max_position,
            "shared": self.shared,
        }


def sums_of_rest(x):
    """Sums along the last axis from each number to the end.

    Products with a triangle of ones, block by block, take a fraction of the
    time of `cumsum`, forwards and backwards.

    Args:
        x: `(..., length)`.

    Returns:
        The same shape.
    """
    length = ops.shape(x)[-1]
    blocks = -(-length // _BLOCK)
    x = ops.pad(
        x, [(0, 0)] * (len(x.shape) - 1) + [(0, blocks * _BLOCK - length)]
    )
    x = ops.reshape(x, (*ops.shape(x)[:-1], blocks, _BLOCK))
    within = ops.matmul(x, ops.tril(ops.ones((_BLOCK, _BLOCK), x.dtype)))
    # No difference of sums, so that what is little is exact.
    later = ops.tril(ops.ones((blocks, blocks), x.dtype), -1)
    behind = ops.matmul(within[..., 0], later)
    found = within + behind[..., None]
    found = ops.reshape(found, (*ops.shape(found)[:-2], blocks * _BLOCK))
    return found[..., :length]


def _refuse_unless_causal(causal):
    if not causal:
        raise ValueError(
            "CoPE counts the keys between a key and a later query. Call "
            "attention with use_causal_mask=True, or use ShawRelative or "
            "another position in an encoder. Received: a call that is not "
            "causal"
        )
