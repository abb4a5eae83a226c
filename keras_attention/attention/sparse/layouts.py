"""Patterns of block-sparse attention, for any number of blocks.

A pattern is a function `(rows, num_blocks, num_heads, causal, **options)`: as
`BlockAttention.list_blocks`, it lists the blocks of keys that the blocks of
queries `rows` attend to, `(num_heads or 1, rows, width)`.
"""

from keras import ops

from keras_attention.checks import check_integer


def dense(rows, num_blocks, num_heads, causal):
    """Lists all blocks."""
    blocks = ops.arange(num_blocks, dtype="int32")
    return ops.zeros_like(rows)[None, :, None] + blocks


def local(rows, num_blocks, num_heads, causal, window=2):
    """Lists the blocks less than `window` away: |i - j| < window."""
    check_integer("window", window)
    last = 1 if causal else window
    return rows[None, :, None] + ops.arange(1 - window, last, dtype="int32")


def strided(rows, num_blocks, num_heads, causal, window=2, stride=8):
    """Lists the blocks near by and every `stride`-th: (i - j) % stride = 0."""
    check_integer("stride", stride, smallest=window)
    near = local(rows, num_blocks, num_heads, causal, window)
    steps = 1 + ops.arange(-(-num_blocks // stride), dtype="int32")
    before = rows[None, :, None] - steps * stride
    if causal:
        return ops.concatenate([before, near], axis=-1)
    after = rows[None, :, None] + steps * stride
    return ops.concatenate([before, near, after], axis=-1)


def fixed(rows, num_blocks, num_heads, causal, stride=8, num_summary=1):
    """Lists the own group of `stride` blocks and the ends of the others.

    The last `num_summary` blocks of each group are seen from everywhere.
    """
    check_integer("stride", stride)
    check_integer("num_summary", num_summary)
    if num_summary > stride:
        raise ValueError(
            "num_summary must be at most stride. Received: "
            f"num_summary={num_summary}, stride={stride}"
        )
    group = (rows // stride)[None, :, None]
    own = group * stride + ops.arange(stride, dtype="int32")
    groups = ops.arange(-(-num_blocks // stride), dtype="int32")
    last = ops.arange(stride - num_summary, stride, dtype="int32")
    ends = ops.reshape(groups[:, None] * stride + last, (1, 1, -1))
    ends = ops.where(ops.equal(ends // stride, group), -1, ends)
    return ops.concatenate([own, ends], axis=-1)


PATTERNS = {
    "dense": dense,
    "fixed": fixed,
    "local": local,
    "strided": strided,
}


def distinct(lists, num_blocks):
    """Keeps each block once: those that come again give way to none.

    Args:
        lists: integers `(..., width)`.
        num_blocks: integer, stands for none.

    Returns:
        Integers of the same shape, in ascending order but for the blocks
        that were taken out.
    """
    lists = ops.sort(lists, axis=-1)
    again = ops.equal(lists[..., 1:], lists[..., :-1])
    rest = ops.where(again, num_blocks, lists[..., 1:])
    return ops.concatenate([lists[..., :1], rest], axis=-1)
