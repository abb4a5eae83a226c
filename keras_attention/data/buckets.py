"""Few batch shapes with little padding."""

import numpy as np


def choose_buckets(
    source_lengths, target_lengths, token_budget, multiple, largest, max_shapes
):
    """Sorts rows by length into buckets of one batch shape each.

    Rows are ordered by their longer side and cut into at most `max_shapes`
    buckets, such that the batches have as few cells as possible. A bucket's
    rows are spread evenly over as few batches as the budget allows, so that
    hardly any cell is left over in the last one.

    Args:
        source_lengths: Integer array of shape `(rows,)`.
        target_lengths: Integer array of shape `(rows,)`.
        token_budget: Integer. In a batch, the number of rows times the padded
            length of the longer side is at most this.
        multiple: Integer that lengths are rounded up to a multiple of.
        largest: Two integers that bound the rounded lengths of the sides.
        max_shapes: Integer, the number of buckets allowed.

    Returns:
        A list of `(row_indices, (rows_per_batch, source_length,
        target_length))`.
    """
    sides = [
        np.minimum(-(-lengths // multiple) * multiple, most)
        for lengths, most in zip(
            (source_lengths, target_lengths), largest, strict=True
        )
    ]
    longer = np.maximum(*sides)
    lengths, members = np.unique(longer, return_inverse=True)
    longest = [np.zeros_like(lengths) for _ in sides]
    for result, side in zip(longest, sides, strict=True):
        np.maximum.at(result, members, side)
    counts = np.bincount(members)
    shapes = _all_shapes(counts, lengths, *longest, token_budget)
    buckets = []
    for first, last in _cheapest_cuts(shapes, max_shapes):
        rows = np.flatnonzero((members >= first) & (members <= last))
        shape = tuple(int(size[first, last]) for size in shapes[1:])
        buckets.append((rows, shape))
    return buckets


def in_order(buckets, seed, epoch, shuffle):
    """Cuts buckets into the batches of an epoch.

    Args:
        buckets: list as `choose_buckets` returns it.
        seed, epoch: integers, on which alone the order depends.
        shuffle: whether rows and batches are shuffled.

    Returns:
        A list of `(row_indices, shape)`, one a batch.
    """
    generator = np.random.default_rng([seed, epoch])
    order = []
    for rows, shape in buckets:
        if shuffle:
            rows = generator.permutation(rows)
        order += [
            (rows[first : first + shape[0]], shape)
            for first in range(0, len(rows), shape[0])
        ]
    if shuffle:
        generator.shuffle(order)
    return order


def _all_shapes(counts, lengths, sources, targets, token_budget):
    """Returns batches and shape of a bucket from length i to j, at [i, j]."""
    ends = np.cumsum(counts)
    rows = np.triu(ends[None, :] - (ends - counts)[:, None])
    batches = -(-rows // np.maximum(token_budget // lengths, 1))
    per_batch = -(-rows // np.maximum(batches, 1))
    running = [
        np.maximum.accumulate(np.triu(np.tile(side, (len(side), 1))), axis=1)
        for side in (sources, targets)
    ]
    return batches, per_batch, *running


def _cheapest_cuts(shapes, max_shapes):
    """Returns the (first, last) lengths of the buckets, cut optimally."""
    batches, per_batch, sources, targets = shapes
    size = len(batches)
    cells = np.where(
        np.triu(np.ones((size, size), bool)),
        batches * per_batch * (sources + targets).astype("float64"),
        np.inf,
    )
    # costs[j]: the fewest cells for the first j lengths, in so many buckets.
    costs = np.full(size + 1, np.inf)
    costs[0] = 0
    totals, starts = [], []
    for _ in range(min(max_shapes, size)):
        options = costs[:-1, None] + cells
        starts.append(options.argmin(axis=0))
        costs = np.concatenate([[np.inf], options.min(axis=0)])
        totals.append(costs[-1])
    cuts, last = [], size - 1
    for start in reversed(starts[: int(np.argmin(totals)) + 1]):
        cuts.append((int(start[last]), last))
        last = int(start[last]) - 1
    return cuts[::-1]
