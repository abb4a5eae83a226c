"""Solving triangular systems with ones on the diagonal."""

import keras
from keras import ops

from keras_attention.attention.recurrent.decay import (
    pairs_across,
    rows_by_columns,
)

BLOCK_SIZE = 16


def solve_unit_triangular(below, right):
    """Solves `(1 + L) u = r` for u.

    Args:
        below: L, zeros on and above the diagonal, `(batch, heads, chunks,
            size, size)`, float32 or float64.
        right: r, `(batch, heads, chunks, size, width)`.

    Returns:
        u, of the shape of `right`.
    """
    if keras.backend.backend() != "jax":
        system = below + ops.eye(below.shape[3], dtype=below.dtype)
        return ops.solve_triangular(system, right, lower=True)
    # On a CPU, jaxlib's solver runs on a thread of XLA's pool, hands the batch
    # to the same pool and waits. As many solvers as there are threads, two on
    # a machine with two cores, wait for each other for ever.
    import jax

    # Accelerators would round the factors of a product to half precision.
    with jax.default_matmul_precision("highest"):
        return substitute_by_blocks(below, right)


def substitute_by_blocks(below, right):
    """Solves `(1 + L) u = r` with products of matrices alone.

    Forward substitution, a block of rows at a time, with the inverses of the
    blocks on the diagonal. Powers of L, which would need fewer products, have
    no digits left where keys repeat.

    Args and returns: as of `solve_unit_triangular`; size is a power of two.
    """
    size = below.shape[3]
    block = min(size, BLOCK_SIZE)
    spans = [slice(start, start + block) for start in range(0, size, block)]
    diagonal = [below[..., span, span] for span in spans]
    inverses = _inverse(ops.concatenate(diagonal, axis=2))
    solved = []
    for span, inverse in zip(
        spans, ops.split(inverses, len(spans), axis=2), strict=True
    ):
        rest = right[..., span, :]
        if solved:
            earlier = below[..., span, : span.start]
            rest = rest - rows_by_columns(
                earlier, ops.concatenate(solved, axis=3)
            )
        solved.append(rows_by_columns(inverse, rest))
    return ops.concatenate(solved, axis=3)


def _inverse(below):
    """Inverts `1 + L` by halves: from blocks of one row to the whole.

    With X and Y the inverses of two neighbouring blocks on the diagonal, and B
    what stands below the first, the inverse of both has `-Y B X` in B's place.
    """
    size = below.shape[3]
    inverse = ops.eye(size, dtype=below.dtype)
    inverse = inverse - below * ops.cast(pairs_across(size, 1), below.dtype)
    half = 2
    while half < size:
        between = below * ops.cast(pairs_across(size, half), below.dtype)
        between = rows_by_columns(inverse, between)
        inverse = inverse - rows_by_columns(between, inverse)
        half *= 2
    return inverse
