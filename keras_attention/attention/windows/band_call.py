"""What the functions of banded attention pass to each other."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.masks import Visibility

# Queries in a block: few enough that keys outside the band, of which each
# block meets as many as it has queries, cost little.
_BLOCK_SIZE, _BLOCKS_IN_WINDOW = 128, 8


class Extra(NamedTuple):
    """Keys that every query may see, wherever it stands.

    Attributes:
        key, value: `(batch, extra, kv_heads, head_dim)`.
        padding_mask: boolean `(batch or 1, extra)`, those that count. They
            must not count in the band as well.
        positions: integers `(extra,)`; None where they differ by row, which
            excludes causality and a score bias.
    """

    key: Any
    value: Any
    padding_mask: Any
    positions: Any = None


class Call(NamedTuple):
    """What one call of `attend` is about.

    Attributes:
        query: `(batch, length, heads, head_dim)`.
        key, value: `(batch, before + length, kv_heads, head_dim)`.
        visible: the `Visibility`; its padding mask, `(batch or 1, before +
            length)`, says which keys count in the band.
        extra: an `Extra`, or None.
        window_size: integer, how far the band reaches, in steps.
        dilation: integer, positions in a step.
        before: keys that stand before the first query: 0, or `window_size *
            dilation`.
    """

    query: Any
    key: Any
    value: Any
    visible: Visibility
    extra: Extra | None
    window_size: int
    dilation: int = 1
    before: int = 0

    @property
    def after(self):
        """How many later keys a query sees."""
        return 0 if self.visible.causal else self.window_size


class Mixing(NamedTuple):
    """How a call weighs and mixes.

    Attributes:
        position: a `PositionalEncoding`.
        dropout, seed: as of `softmax.attend`.
        block_size: integer, queries in a block; None as the window suggests.
        scoring: a `Scoring`.
    """

    position: Any
    dropout: float = 0.0
    seed: Any = None
    block_size: int | None = None
    scoring: Any = softmax.PLAIN

    def with_block_size(self, window_size):
        """Chooses the queries in a block, where that is left open."""
        size = max(_BLOCK_SIZE, window_size // _BLOCKS_IN_WINDOW)
        return self._replace(block_size=self.block_size or size)


def key_mask_of(call):
    """Which keys count in the band, `(batch or 1, key_length)`."""
    mask = call.visible.padding_mask
    if mask is None:
        mask = ops.ones((1, ops.shape(call.key)[1]), "bool")
    return mask


def block_mask(call, rows):
    """The band as each block sees it: boolean `(1, rows, keys)`."""
    keys = call.window_size + rows + call.after
    step = ops.arange(keys, dtype="int32") - ops.arange(rows)[:, None]
    mask = ops.logical_and(step >= 0, step <= call.window_size + call.after)
    return mask[None]


def attend_to_all(query, key, value, visible, extra, seen, mixing):
    """Attends to the extra keys and to those that the mask shows.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key, value: `(batch, key_length, kv_heads, head_dim)`.
        visible: their `Visibility`, with an attention mask.
        extra: an `Extra`, or None.
        seen: boolean `(batch or 1, query_length, extra)`, or None where all
            queries see the extra keys.
        mixing: a `Mixing`.

    Returns:
        `(batch, query_length, heads, head_dim)`.
    """
    if extra is not None:
        key = ops.concatenate([extra.key, key], axis=1)
        value = ops.concatenate([extra.value, value], axis=1)
        visible = with_extra(visible, extra, seen)
    return softmax.attend(
        query,
        key,
        value,
        visible,
        mixing.position,
        mixing.dropout,
        mixing.seed,
        mixing.scoring,
    )


def with_extra(visible, extra, seen):
    """Puts the extra keys in front of those of a `Visibility`.

    Args: as of `attend_to_all`.

    Returns:
        A `Visibility` whose masks say all; `causal` is for the bias alone.
    """
    batch, count = ops.shape(extra.key)[:2]
    mask, padding = visible.attention_mask, visible.padding_mask
    if padding is None:
        padding = ops.ones((1, ops.shape(mask)[2]), "bool")
    if seen is None:
        seen = ops.ones((*ops.shape(mask)[:2], count), "bool")
    elif seen.shape[0] != 1:
        mask = rows_of(mask, batch)
    positions = None
    if extra.positions is not None and visible.key_positions is not None:
        positions = ops.concatenate([extra.positions, visible.key_positions])
    masks = rows_of(extra.padding_mask, batch), rows_of(padding, batch)
    return visible._replace(
        key_positions=positions,
        padding_mask=ops.concatenate(masks, axis=1),
        attention_mask=ops.concatenate([seen, mask], axis=2),
    )


def rows_of(x, batch):
    """Repeats the one row of `x` for the whole batch, if it is but one."""
    return ops.broadcast_to(x, (batch, *ops.shape(x)[1:]))
