"""Numbers by distance and numbers by key are the same numbers."""

import numpy as np
import pytest

from keras_attention.masks import Visibility
from keras_attention.positions.core.relative_shift import (
    distances,
    skew,
    spread,
)
from tests.tools import compiled, near, to_numpy

CASES = [(5, 5, 0), (3, 7, 2), (7, 3, 11), (1, 5, 4), (5, 1, 0), (1, 1, 0)]


def places(queries, keys, start):
    query = np.arange(start, start + queries, dtype="int32")
    return query, np.arange(keys, dtype="int32")


@pytest.mark.parametrize(("queries", "keys", "start"), CASES)
def test_every_key_gets_the_number_of_its_distance(queries, keys, start):
    query, key = places(queries, keys, start)
    found = to_numpy(distances(query, key))
    rows = np.broadcast_to(found, (2, queries, len(found))).copy()
    expected = query[:, None] - key[None]
    near(skew(rows, keys), [expected] * 2, 0)
    near(spread(found[None], queries, keys), expected[None], 0)
    near(compiled(lambda x: skew(x, keys))(rows), [expected] * 2, 0)


@pytest.mark.parametrize(("queries", "keys", "start"), CASES[:2] + CASES[3:4])
def test_a_causal_stretch_holds_what_is_seen(queries, keys, start):
    query, key = places(queries, keys, start)
    found = to_numpy(distances(query, key, causal=True))
    assert len(found) == keys + 1
    expected = query[:, None] - key[None]
    seen = expected >= 0
    spread_out = to_numpy(spread(found, queries, keys))
    near(spread_out[seen], expected[seen], 0)


def test_only_the_positions_that_were_meant_are_in_order():
    query, key = places(5, 7, 2)
    visible = Visibility(query, key)
    assert not visible.is_ordered
    assert visible.ordered().is_ordered
    assert visible.ordered().block(1, 3, 5).is_ordered
    assert not visible.ordered()._replace(key_positions=key[::-1]).is_ordered
    itself = Visibility(query, query).ordered(is_self=True)
    assert itself.is_self
    assert not itself.block(0, 5).is_self
