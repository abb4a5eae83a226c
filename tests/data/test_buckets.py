from itertools import combinations

import numpy as np
import pytest

from keras_attention.data.buckets import choose_buckets


def cells_of(groups, sources, targets, budget):
    """Counts cells from the definition, for rows grouped by longer side."""
    cells = 0
    for rows in groups:
        source, target = sources[rows].max(), targets[rows].max()
        longer = max(source, target)
        batches = -(-len(rows) // (budget // longer))
        size = -(-len(rows) // batches)
        cells += batches * size * (source + target)
    return cells


@pytest.mark.parametrize("max_shapes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_other_cut_has_fewer_cells(max_shapes, seed):
    generator = np.random.default_rng(seed)
    sources = generator.integers(1, 12, 53)
    targets = generator.integers(1, 12, 53)
    longer = np.maximum(sources, targets)
    buckets = choose_buckets(sources, targets, 31, 1, (31, 31), max_shapes)
    found = cells_of([rows for rows, _ in buckets], sources, targets, 31)

    lengths = np.unique(longer)
    best = min(
        cells_of(
            [
                np.flatnonzero(np.isin(longer, part))
                for part in np.split(lengths, list(cuts))
            ],
            sources,
            targets,
            31,
        )
        for shapes in range(1, max_shapes + 1)
        for cuts in combinations(range(1, len(lengths)), shapes - 1)
    )
    assert found == best
    assert len(buckets) <= max_shapes
    assert sorted(np.concatenate([rows for rows, _ in buckets])) == list(
        range(53)
    )


def test_rows_are_spread_evenly_over_the_batches():
    lengths = np.full(10, 3)
    # A budget of 12 allows 4 rows: 3 batches, of 4 rows rather than 4, 4, 2.
    ((rows, shape),) = choose_buckets(lengths, lengths, 12, 1, (12, 12), 5)
    assert len(rows) == 10 and shape == (4, 3, 3)
    # 9 rows fit 3 batches of 3 without a row of padding.
    ((_, shape),) = choose_buckets(lengths[:9], lengths[:9], 12, 1, (12, 12), 5)
    assert shape == (3, 3, 3)
