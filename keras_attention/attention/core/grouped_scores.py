"""Scores and sums of many small tiles of attention at once.

A tile is a few queries with the keys that they see. Tiles lie along the
third axis: queries are `(batch, heads, tiles, queries, head_dim)`, keys and
values `(batch, kv_heads, tiles, keys, head_dim)`, positions `(tiles,
queries)` and `(1 or heads, tiles, keys)`.
"""

from keras import ops

from keras_attention.attention.core.recompute import Recomputation
from keras_attention.attention.core.softmax import PLAIN
from keras_attention.masks import Visibility
from keras_attention.tensors import at_least_float32, known_integer


def tile_scores(
    query,
    key,
    position,
    query_positions,
    key_positions,
    causal,
    scoring=PLAIN,
):
    """Computes scaled scores with the position's bias, before any mask.

    Args:
        query, key: as above.
        position: a `PositionalEncoding`.
        query_positions, key_positions: as above.
        causal: whether queries see only the past.
        scoring: a `Scoring`.

    Returns:
        `(batch, heads, tiles, queries, keys)` in float32, or float64 for
        such inputs.
    """
    products = _products(scoring.scale_query(query, position), key)
    products = ops.cast(products, at_least_float32(products.dtype))
    products = scoring.bound(products)
    if not position.overrides("bias"):
        return products

    def bias_of(tile, key_positions):
        visible = Visibility(tile["positions"], key_positions, causal=causal)
        return position.bias_in(tile["query"], tile["key"], visible)

    parts = {"query": _rows_first(query), "key": _rows_first(key)}
    parts.update(positions=query_positions, key_positions=key_positions)
    bias = _by_tile(bias_of, position, parts, 1)
    return products + ops.cast(ops.moveaxis(bias, 0, 2), products.dtype)


def tile_outputs(weights, value, position, query_positions, key_positions):
    """Sums values by their weights, and what the position adds.

    Args:
        weights: `(batch, heads, tiles, queries, keys)`.
        value, position, query_positions, key_positions: as above.

    Returns:
        `(batch, heads, tiles, queries, head_dim)`.
    """
    output = _weighted_values(weights, value)
    if not position.overrides("values"):
        return output

    def values_of(tile, key_positions):
        visible = Visibility(tile["positions"], key_positions)
        return position.values_in(tile["weights"], visible)

    parts = {"weights": ops.moveaxis(weights, 2, 0)}
    parts.update(positions=query_positions, key_positions=key_positions)
    extra = _by_tile(values_of, position, parts, 2)
    extra = ops.transpose(extra, (1, 3, 0, 2, 4))
    return output + ops.cast(extra, output.dtype)


def _by_tile(hook, position, parts, head_axis):
    """Calls a position's hook for one tile after the other.

    Args:
        hook: function from a tile and its key positions `(keys,)`.
        position: the `PositionalEncoding` that it calls.
        parts: dictionary of tensors with the tiles first, but for the key
            positions.
        head_axis: integer, the axis of heads of what the hook gives.

    Returns:
        What the hook gives, stacked along the first axis.
    """
    tables = parts["key_positions"].shape[0]
    key_positions = ops.swapaxes(parts["key_positions"], 0, 1)
    parts = {**parts, "key_positions": key_positions}
    recomputation = Recomputation(position.weights)

    def of_table(tile, table):
        found = hook(tile, tile["key_positions"][table])
        # An encoding may have none after all.
        found = ops.zeros((1, 1, 1, 1)) if found is None else found
        if tables == 1 or found.shape[head_axis] == 1:
            return found
        return ops.take(found, [table], axis=head_axis)

    def run(tile):
        def of_tables():
            # The hook takes one row of positions for all heads, so heads
            # that see other keys need a call each.
            found = [of_table(tile, table) for table in range(tables)]
            return ops.concatenate(found, head_axis) if tables > 1 else found[0]

        return recomputation(of_tables, recompute=False)

    if known_integer(parts["positions"].shape[0]) == 1:
        return run({name: x[0] for name, x in parts.items()})[None]
    return ops.map(run, parts)


def _rows_first(x):
    """From heads first to the form of the hooks, `(tiles, batch, ...)`."""
    return ops.transpose(x, (2, 0, 3, 1, 4))


def _products(query, key):
    heads, kv_heads = query.shape[1], key.shape[1]
    if heads == kv_heads:
        return ops.einsum("bhgqd,bhgkd->bhgqk", query, key)
    query = _grouped(query, kv_heads)
    products = ops.einsum("bnrgqd,bngkd->bnrgqk", query, key)
    return _ungrouped(products)


def _weighted_values(weights, value):
    heads, kv_heads = weights.shape[1], value.shape[1]
    if heads == kv_heads:
        return ops.einsum("bhgqk,bhgkd->bhgqd", weights, value)
    weights = _grouped(weights, kv_heads)
    return _ungrouped(ops.einsum("bnrgqk,bngkd->bnrgqd", weights, value))


def _grouped(x, kv_heads):
    batch, heads, *rest = ops.shape(x)
    return ops.reshape(x, (batch, kv_heads, heads // kv_heads, *rest))


def _ungrouped(x):
    batch, kv_heads, group, *rest = ops.shape(x)
    return ops.reshape(x, (batch, kv_heads * group, *rest))
