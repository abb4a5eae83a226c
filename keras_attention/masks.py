"""Pure functions on boolean masks. True means: may attend."""

from typing import Any, NamedTuple

import keras
from keras import ops

# Keras has no public way to read a mask that it attached to a tensor.
from keras.src.backend import get_keras_mask

from keras_attention.tensors import known_integer


def padding_mask_from_ids(token_ids, padding_id=0):
    """Marks the tokens that are not padding.

    Args:
        token_ids: integers `(batch, length)`.
        padding_id: the id that stands for no token.

    Returns:
        Boolean `(batch, length)`.
    """
    return ops.not_equal(token_ids, padding_id)


def causal_mask(query_positions, key_positions):
    """Lets every query see the keys at or before its own position.

    Args:
        query_positions: integers `(..., query_length)`.
        key_positions: integers `(..., key_length)`.

    Returns:
        Boolean `(..., query_length, key_length)`.
    """
    return ops.less_equal(
        ops.expand_dims(key_positions, -2), ops.expand_dims(query_positions, -1)
    )


def combine_masks(*masks):
    """Keeps what every mask allows.

    Args:
        *masks: booleans that broadcast against each other, or None.

    Returns:
        Boolean of the broadcast shape, or None where all are None.
    """
    combined = None
    for mask in masks:
        if mask is not None:
            combined = (
                mask if combined is None else ops.logical_and(combined, mask)
            )
    return combined


def as_mask(name, mask):
    """Reads a mask of booleans or integers.

    Args:
        name: what it is called in the error message.
        mask: a tensor or nested lists, or None.

    Returns:
        Boolean tensor, or None.

    Raises:
        ValueError: for floating-point or negative numbers, which elsewhere
            stand for masks that are added: there 0 means that a query may
            attend.
    """
    if mask is None:
        return None
    expected = f"{name} must be boolean, True where a query may attend."
    mask = ops.convert_to_tensor(mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if "float" in dtype:
        raise ValueError(f"{expected} Received: {dtype}")
    is_signed = dtype.startswith("int") and 0 not in tuple(mask.shape)
    if is_signed and (known_integer(ops.min(mask)) or 0) < 0:
        raise ValueError(f"{expected} Received: numbers below 0")
    return mask if dtype == "bool" else ops.cast(mask, "bool")


def output_mask(part, padding_mask):
    """Marks the outputs of a part that may have fewer than inputs.

    Args:
        part: a layer; one that shortens has a method
            `output_mask(padding_mask)`.
        padding_mask: boolean `(batch, length)` of its inputs, or None.

    Returns:
        Boolean `(batch, length of its outputs)`, or None.
    """
    shorten = getattr(part, "output_mask", None)
    if padding_mask is None or shorten is None:
        return padding_mask
    return shorten(padding_mask)


def hide(x, padding_mask):
    """Sets what stands at padding to zero.

    It then matters not at all, neither in a result nor in a gradient, not
    even where it is too large for its dtype, infinite or NaN.

    Args:
        x: `(batch, length, ...)`.
        padding_mask: boolean `(batch, length)`.

    Returns:
        A tensor of the shape of `x`.
    """
    further_axes = tuple(range(2, len(x.shape)))
    return ops.where(ops.expand_dims(padding_mask, further_axes), x, 0.0)


def hide_all(padding_mask, *tensors):
    """Hides padding in several tensors, once in one that comes twice.

    Args:
        padding_mask: boolean `(batch, length)`, or None to hide nothing.
        *tensors: each `(batch, length, ...)`.

    Returns:
        A list of tensors; what was one before is one still.
    """
    if padding_mask is None:
        return list(tensors)
    hidden = {id(x): hide(x, padding_mask) for x in tensors}
    return [hidden[id(x)] for x in tensors]


def hide_extremes(x, padding_mask):
    """Sets to zero what at padding is no number, or one of extreme size.

    It serves queries. Those at padding have a result like any other, which a
    caller may want; where nobody does, its gradient is zero. But zero times
    NaN is NaN, so that nothing on the way may overflow.

    Args:
        x: `(batch, length, dim)`.
        padding_mask: boolean `(batch, length)`, or None to hide nothing.

    Returns:
        `(batch, length, dim)`, without NaN and numbers beyond 2^40 (in
        float16 2^10) at padding.
    """
    if padding_mask is None:
        return x
    is_half = keras.backend.standardize_dtype(x.dtype) == "float16"
    is_usual = ops.abs(x) <= (2.0**10 if is_half else 2.0**40)
    return ops.where(
        ops.logical_or(ops.expand_dims(padding_mask, -1), is_usual), x, 0.0
    )


def implicit_mask(x):
    """Reads the mask that Keras attached to a layer's output.

    Args:
        x: `(batch, length, ...)`, or None.

    Returns:
        Boolean `(batch, length)`, or None where there is none.
    """
    return None if x is None else get_keras_mask(x)


class _VisibilityFields(NamedTuple):
    query_positions: Any
    key_positions: Any
    padding_mask: Any = None
    attention_mask: Any = None
    causal: bool = False
    is_ordered: bool = False
    is_self: bool = False
    grid: Any = None
    grid_cells: Any = None


class Visibility(_VisibilityFields):
    """What each query of one attention call may see.

    It holds the parts of the mask, not the mask, so that a flavour can build
    what a block or chunk of its own needs and nothing larger.

    Attributes:
        query_positions: integers `(query_length,)`.
        key_positions: integers `(key_length,)`.
        padding_mask: boolean `(batch, key_length)` or None.
        attention_mask: boolean `(batch or 1, query_length, key_length)` or
            None.
        causal: whether a query sees only keys at or before its position.
        is_ordered: whether the positions of queries, and those of keys, are
            known to count up by one. An encoding of distances then need not
            look up each pair of positions.
        is_self: whether this is self-attention in order: positions are
            ordered, and each key stands at the position of the query of the
            same row.
        grid: `(height, width)` where positions are the cells of a grid, row
            by row; None for a plain sequence.
        grid_cells: integers `(key_length,)`, cells that lie to each other as
            those of every row of positions do, so that what depends on steps
            along the grid is the same for all rows; or None.
    """

    __slots__ = ()

    def ordered(self, is_self=False):
        """Says that queries and keys each count up by one.

        Args:
            is_self: whether keys stand at the positions of the queries.
        """
        return self._replace(is_ordered=True, is_self=is_self)

    def _replace(self, **fields):
        """Replaces some fields; of other positions no order is known."""
        if not {"query_positions", "key_positions"}.isdisjoint(fields):
            fields = {"is_ordered": False, "is_self": False, **fields}
        return super()._replace(**fields)

    def dense(self):
        """Builds the whole mask.

        Returns:
            Boolean `(batch or 1, 1, query_length or 1, key_length)`, or None
            where every query sees every key.
        """
        causal = dense = padding = None
        if self.causal:
            causal = causal_mask(self.query_positions, self.key_positions)
            causal = causal[None, None]
        if self.attention_mask is not None:
            dense = self.attention_mask[:, None]
        if self.padding_mask is not None:
            # LiteRT knows no slice with two new axes.
            padding = ops.expand_dims(self.padding_mask, (1, 2))
        return combine_masks(causal, dense, padding)

    def block(self, start, stop, key_stop=None):
        """Cuts out the queries from `start` to `stop`.

        Args:
            start, stop: integers, the range of queries.
            key_stop: integer; keys from here on are cut off.

        Returns:
            A `Visibility` of `stop - start` queries.
        """
        rows, keys = slice(start, stop), slice(None, key_stop)
        padding, dense = self.padding_mask, self.attention_mask
        return self._replace(
            query_positions=self.query_positions[rows],
            key_positions=self.key_positions[keys],
            padding_mask=None if padding is None else padding[:, keys],
            attention_mask=None if dense is None else dense[:, rows, keys],
            is_ordered=self.is_ordered,
            grid_cells=None,
        )
