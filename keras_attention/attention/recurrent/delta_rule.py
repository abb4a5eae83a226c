"""The gated delta rule in chunks.

    S_t = exp(g_t) S_{t-1} + b_t k_t (v_t - exp(g_t) S_{t-1}' k_t)'

What a position writes depends on what the positions before it wrote. Within
a chunk that is a triangular system of equations: with `L` the products of
keys below the diagonal, times their decay and beta, what is written is
the solution `u` of `(1 + L) u = b v - b exp(G) S' k`, where S stands before
the chunk and G sums g from there on. (The "WY" or "UT" form of Yang et al.)
"""

from keras import ops

from keras_attention.attention.recurrent.decay import (
    decayed_products,
    keys_by_values,
    rows_by_columns,
    step,
)
from keras_attention.attention.recurrent.scan import (
    chunk_length,
    from_chunks,
    states_between,
    to_chunks,
)
from keras_attention.attention.recurrent.unit_triangular import (
    solve_unit_triangular,
)
from keras_attention.tensors import known_integer


def mix_by_delta_rule(query, key, value, decay, beta, state, own, chunk_size):
    """Mixes the values of a span of a sequence and follows the state.

    Args: as of `decayed.mix` with one decay a head, and
        beta: the factors b, `(batch, length, heads, 1)`.

    Returns:
        `(output, state)`.
    """
    if state is not None and known_integer(query.shape[1]) == 1:
        return step(query, key, value, decay, state, beta)
    length = ops.shape(query)[1]
    size = chunk_length(query.shape[1], chunk_size)
    query, key, value, decay, beta = (
        to_chunks(x, size) for x in (query, key, value, decay, beta)
    )
    total = ops.cumsum(decay, axis=3)
    whole = total[:, :, :, -1:]
    # Both sums of the right side are solved for before the state is known.
    written, read = _solve(key, value, beta, total)
    kept = key * ops.exp(whole - total)
    identity = ops.eye(key.shape[-1], dtype=key.dtype)
    before, state = states_between(
        ops.exp(whole) * identity - keys_by_values(kept, read),
        keys_by_values(kept, written),
        state,
        apply=rows_by_columns,
    )
    written = written - rows_by_columns(read, before)
    products = decayed_products(query, key, total, own)
    output = rows_by_columns(products, written)
    output = output + rows_by_columns(query * ops.exp(total), before)
    return from_chunks(output, length), state


def _solve(key, value, beta, total):
    """Gives what is written from a state of zeros, and what a state takes off.

    Returns:
        `(written, read)`, `(..., size, d_v)` and `(..., size, d_k)`: with the
        state S before the chunk it writes `written - read S`.
    """
    strong = beta * key
    below = decayed_products(strong, key, total, own=False)
    right = [beta * value, strong * ops.exp(total)]
    solved = solve_unit_triangular(below, ops.concatenate(right, axis=-1))
    width = value.shape[-1]
    return solved[..., :width], solved[..., width:]
