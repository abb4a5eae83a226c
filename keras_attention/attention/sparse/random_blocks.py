"""Random blocks by a hash, the same on every backend and at any length."""

from keras import ops

# Odd, so that nothing is lost, and below 2**15, so that no product with a
# number of 16 bits leaves the 31 bits of a positive integer.
_MULTIPLIERS = (26_045, 30_011, 21_911, 28_447)
_BITS = 2**16 - 1


def add_random_blocks(lists, rows, stop, count, num_heads, seed):
    """Adds blocks to lists, drawn from those that are not in them yet.

    Every choice is equally likely; it depends on the seed, the head, the row
    and the row's candidates alone.

    Args:
        lists: integers `(rows, width)`, each block below `stop` at most once;
            negative numbers and those from `stop` on stand for none.
        rows: integers `(rows,)`, which blocks of queries these are.
        stop: integers `(rows,)`; the candidates of a row lie below.
        count: integer, how many blocks to add to each list.
        num_heads: integer; every head draws its own.
        seed: integer.

    Returns:
        Integers `(num_heads, rows, width + count)`; -1 stands for none.
    """
    stop = ops.cast(stop, "int32")[None, :, None]
    lists = lists[None]
    inside = ops.logical_and(lists >= 0, lists < stop)
    lists = ops.sort(ops.where(inside, lists, stop), axis=-1)
    lists = ops.repeat(lists, num_heads, axis=0)
    rows = rows[None, :, None]
    heads = ops.arange(num_heads, dtype="int32")[:, None, None]
    for draw in range(count):
        taken = ops.cast(lists < stop, "int32")
        free = stop - ops.sum(taken, axis=-1, keepdims=True)
        chosen = hashed(seed, draw, heads, rows) % ops.maximum(free, 1)
        # The chosen one of the free blocks: in ascending order, each block
        # that is taken and not behind it moves it on by one.
        for index in range(lists.shape[-1]):
            behind = chosen >= lists[..., index : index + 1]
            chosen = chosen + ops.cast(behind, "int32")
        chosen = ops.where(free > 0, ops.minimum(chosen, stop), stop)
        lists = ops.sort(ops.concatenate([lists, chosen], axis=-1), axis=-1)
    return ops.where(lists < stop, lists, -1)


def hashed(seed, *numbers):
    """Mixes integers to a number that looks random.

    A Feistel network of two halves of 16 bits. Everything stays within the
    positive 32-bit integers, which all backends compute alike.

    Args:
        seed: integer.
        *numbers: integers, or integer tensors that broadcast.

    Returns:
        Integer tensor in `[0, 2**31)`.
    """
    left, right = _low_bits(seed), _low_bits(seed >> 16)
    for number in (seed >> 32, *numbers):
        left = left ^ _low_bits(number)
        for multiplier in _MULTIPLIERS:
            mixed = left * multiplier + right
            left, right = right ^ _low_bits(mixed ^ (mixed // 2**7)), left
    return left * 2**15 + right // 2


def _low_bits(number):
    return number & _BITS
