"""Block-sparse attention with any layout of blocks."""

import keras
import numpy as np
from keras import ops

from keras_attention.attention.core.split import block_seed
from keras_attention.attention.sparse.base import BlockAttention
from keras_attention.attention.sparse.gathered_blocks import attend_to_blocks
from keras_attention.attention.sparse.layouts import PATTERNS, distinct
from keras_attention.registry import PACKAGE
from keras_attention.tensors import known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class BlockSparseAttention(BlockAttention):
    """Softmax attention to the blocks of keys that a layout allows.

    Query `i` attends to key `j` where `layout[i // block_size, j //
    block_size]` is True, and where the masks of the call allow it (causality
    and padding hold inside the blocks too). The blocks of keys that a block
    of queries sees are gathered and multiplied at once, so that time and
    memory are those of the blocks in the layout.

    A layout given as an array is processed in groups of rows that see about
    as many blocks, each padded to the longest; the heads of a row count as
    one, the longest. The rows of a pattern are all padded to its longest,
    since it must hold for lengths that nobody knows yet.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads.
        block_size: integer, positions in a block.
        layout: which blocks of queries see which blocks of keys.
            An array or nested lists of booleans, `(query_blocks,
            key_blocks)` or `(num_heads, query_blocks, key_blocks)`: for
            sequences of at most so many blocks.
            Or, for any length, the name of a pattern: `"local"` (`window=2`:
            blocks less than so far apart), `"strided"` (the same, and every
            `stride=8`-th block before and after), `"fixed"` (the own group
            of `stride=8` blocks, and the last `num_summary=1` of every
            group), `"dense"`.
            Or a function, registered with Keras so that it can be saved:
            `(rows, num_blocks, num_heads, causal, **layout_options)` to
            integers `(num_heads or 1, rows, width)`, the blocks of keys that
            the blocks of queries `rows` see; numbers outside of the sequence
            stand for none. With `causal`, the past blocks of a list must not
            depend on `num_blocks`.
        layout_options: dictionary of keyword arguments of the pattern.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`.
        scale, qk_norm, qk_norm_over, logit_softcap, gate, sink_logits,
            off_by_one: see `MultiHeadAttention`.

    Call arguments: as of `Attention`. In cross-attention the blocks of the
        query and those of the keys are counted from the start of each.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`. The
        cache holds all keys and values, since a layout may ask for any.

    Raises:
        ValueError: if the layout is none, or has too few blocks for a call
            whose length is known; where a graph computes it, what lies
            behind the layout sees nothing and gives zeros.

    Example:

    ```python
    import keras
    from keras_attention import BlockSparseAttention

    layer = BlockSparseAttention(
        num_heads=4, block_size=16, layout="local",
        layout_options={"window": 2}
    )
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Gray, Radford, Kingma 2017, GPU Kernels for Block-Sparse Weights,
        https://openai.com/index/block-sparse-gpu-kernels;
        Child et al. 2019 (layouts), https://arxiv.org/abs/1904.10509
    """

    paper = "Gray et al. 2017"
    cost = "non-zero blocks · b²d / non-zero blocks · b²"
    cache_size = "n · num_kv_heads · 2d"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        layout="strided",
        layout_options=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if isinstance(layout, dict):
            layout = keras.saving.deserialize_keras_object(layout)
        self.layout_options = dict(layout_options or {})
        self.layout, self._table = layout, None
        if isinstance(layout, str) and layout in PATTERNS:
            self._pattern = PATTERNS[layout]
        elif callable(layout):
            self._pattern = _once(layout)
        else:
            self.layout = _check_layout(layout, num_heads, self.layout_options)
            self._table = _as_lists(self.layout)
        if self._table is None:
            # Options that do not fit are refused here and not by a call.
            try:
                lists = self.list_blocks(ops.arange(2, dtype="int32"), 2, False)
            except TypeError as error:
                raise ValueError(
                    f"layout_options must fit the layout. Received: "
                    f"{self.layout_options} ({error})"
                ) from error
            if lists.shape[:2] not in ((1, 2), (num_heads, 2)):
                raise ValueError(
                    "layout must give lists of the shape (num_heads or 1, "
                    f"rows, width). Received: {tuple(lists.shape)} for "
                    f"rows=2, num_heads={num_heads}"
                )

    def __call__(self, query, value=None, key=None, **kwargs):
        # Here and not in `call`, where symbolic lengths are made up.
        if self._table is not None:
            source = query if key is None else key
            source = source if value is None else value
            for whole in (kwargs.get("cache"), kwargs.get("memory")):
                source = source if whole is None else whole["mask"]
            self._check_lengths(query, source, kwargs.get("start", 0))
        return super().__call__(query, value, key, **kwargs)

    def list_blocks(self, rows, num_blocks, causal):
        if self._table is not None:
            return _rows_of(self._table, rows)
        return self._pattern(
            rows, num_blocks, self.num_heads, causal, **self.layout_options
        )

    def attend_by_lists(
        self, query, key, value, visible, position, start, dropout, seed
    ):
        arguments = query, key, value, visible, position
        groups = None
        if self._table is not None:
            groups = self._group_rows(query, start)
        if groups is None:
            return super().attend_by_lists(*arguments, start, dropout, seed)
        outputs = [
            attend_to_blocks(
                *arguments,
                lambda rows, table=table: _rows_of(table, rows),
                self.block_size,
                rows=rows,
                dropout=dropout,
                # Groups draw dropout of their own.
                seed=block_seed(seed, 8 * (number + 1)),
                scoring=self.scoring,
            )
            for number, (rows, table) in enumerate(groups)
        ]
        order = np.argsort(np.concatenate([rows for rows, _ in groups]))
        return _in_order(outputs, order, ops.shape(query)[1])

    def compute_weights(self, query, key, *arguments, place=None):
        if self._table is not None:
            self._check_lengths(query, key, place or 0)
        return super().compute_weights(query, key, *arguments, place=place)

    def _check_lengths(self, query, key, start):
        """Refuses more blocks than the layout has, where they are known."""
        length, start = known_integer(query.shape[1]), known_integer(start)
        stop = None if None in (length, start) else start + length
        lengths = {"query": stop, "key": known_integer(key.shape[1])}
        for axis, (name, number) in enumerate(lengths.items()):
            limit = self.layout.shape[axis - 2] * self.block_size
            if number is not None and number > limit:
                raise ValueError(
                    f"layout has blocks for {limit} positions of the {name}. "
                    f"Received: {number}; give a larger one, or a pattern by "
                    "its name, which has no limit"
                )

    def _group_rows(self, query, start):
        """Sorts the rows of the layout by the number of blocks they see.

        Returns:
            A list of `(rows, table)`; None where they are one group or where
            the rows of this call are not known.
        """
        length = known_integer(query.shape[1])
        if length in (None, 1) or known_integer(start) != 0:
            return None
        number = -(-length // self.block_size)
        if number > self._table.shape[1]:
            return None
        widths = (self._table[:, :number] >= 0).sum(axis=-1).max(axis=0)
        powers = np.ceil(np.log2(np.maximum(widths, 1))).astype(int)
        groups = []
        for power in np.unique(powers):
            rows = np.flatnonzero(powers == power)
            width = max(widths[rows].max(), 1)
            groups.append((rows.astype("int32"), self._table[..., :width]))
        return groups if len(groups) > 1 else None

    def get_config(self):
        layout = self.layout
        if self._table is not None:
            layout = layout.tolist()
        elif callable(layout):
            layout = keras.saving.serialize_keras_object(layout)
        return {
            **super().get_config(),
            "layout": layout,
            "layout_options": dict(self.layout_options),
        }


def _check_layout(layout, num_heads, options):
    """Reads a layout of booleans."""
    known = ", ".join(map(repr, sorted(PATTERNS)))
    expected = (
        "layout must be booleans (query_blocks, key_blocks) or (num_heads, "
        f"query_blocks, key_blocks), a function, or one of {known}. Received: "
    )
    if layout is None or isinstance(layout, str):
        raise ValueError(f"{expected}{layout!r}")
    try:
        found = np.asarray(keras.ops.convert_to_numpy(layout))
    except (TypeError, ValueError):
        raise ValueError(f"{expected}{layout!r}") from None
    if found.dtype.kind not in "biu" or found.ndim not in (2, 3):
        raise ValueError(f"{expected}{found.dtype} {found.shape}")
    if found.size == 0 or (found.ndim == 3 and len(found) != num_heads):
        raise ValueError(
            f"{expected}the shape {found.shape}, for num_heads={num_heads}"
        )
    if options:
        raise ValueError(
            "layout_options are for a pattern. Received: "
            f"{options!r} beside an array"
        )
    return found.astype(bool)


def _as_lists(layout):
    """Makes lists of blocks of booleans, -1 standing for none."""
    layout = layout if layout.ndim == 3 else layout[None]
    counts = layout.sum(axis=-1)
    width = max(counts.max(), 1)
    order = np.argsort(~layout, axis=-1, kind="stable")[..., :width]
    listed = np.arange(width) < counts[..., None]
    return np.where(listed, order, -1).astype("int32")


def _rows_of(table, rows):
    """Takes rows of a table of lists; those behind its end see nothing."""
    number = table.shape[1]
    found = ops.take(table, ops.minimum(rows, number - 1), axis=1)
    return ops.where(ops.less(rows, number)[None, :, None], found, -1)


def _in_order(outputs, order, length):
    """Puts the blocks of all groups back into order.

    Args:
        outputs: list of `(batch, blocks * block_size, heads, head_dim)`.
        order: for each block of the sequence, which of theirs it is.
        length: integer, number of queries.

    Returns:
        `(batch, length, heads, head_dim)`.
    """
    joined = ops.concatenate(outputs, axis=1)
    batch, total, heads, head_dim = ops.shape(joined)
    width = total // len(order) * heads * head_dim
    blocks = ops.reshape(joined, (batch, len(order), width))
    blocks = ops.take(blocks, order.astype("int32"), axis=1)
    return ops.reshape(blocks, (batch, total, heads, head_dim))[:, :length]


def _once(pattern):
    """Keeps a block that a caller's function lists twice from counting so."""

    def list_once(rows, num_blocks, *arguments, **options):
        lists = pattern(rows, num_blocks, *arguments, **options)
        return distinct(ops.cast(lists, "int32"), num_blocks)

    return list_once
