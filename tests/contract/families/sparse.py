"""Flavours that attend to chosen keys."""

from tests.contract.case import Case, keys_and_values

DIM = 6  # of a head


def block_and_summaries(batch_size, max_length):
    """Two keys of the own block and one of every block."""
    cache = {}
    for part, number in (("block", 2), ("summary", -(-max_length // 2))):
        shape = (batch_size, 4, number, DIM)
        cache[f"{part}_key"] = cache[f"{part}_value"] = shape
        cache[f"{part}_mask"] = (batch_size, number)
    return cache


CASES = {
    "sparse_transformer_strided": Case(
        "sparse_transformer",
        {"stride": 3, "num_kv_heads": 2, "position": "rotary"},
        keys_and_values(2),
    ),
    "sparse_transformer_fixed": Case(
        "sparse_transformer",
        {"pattern": "fixed", "stride": 2, "num_summary": 1},
        block_and_summaries,
        sees_all=False,
    ),
    "block_sparse_local": Case(
        "block_sparse",
        {
            "layout": "local",
            "layout_options": {"window": 3},
            "block_size": 3,
            "num_kv_heads": 2,
        },
        keys_and_values(2),
        growth=1.0,
    ),
    "block_sparse_strided": Case(
        "block_sparse",
        {"layout_options": {"window": 1, "stride": 2}, "block_size": 2},
        keys_and_values(4),
        sees_all=False,
    ),
    "bigbird": Case(
        "bigbird",
        {"block_size": 2, "num_window_blocks": 1, "num_random_blocks": 1},
        keys_and_values(4),
        growth=1.0,
        cuts_tails=False,
        causal_is_masked=False,
    ),
    "bigbird_rotary": Case(
        "bigbird",
        {
            "block_size": 1,
            "num_random_blocks": 2,
            "num_kv_heads": 2,
            "position": "rotary",
            "seed": 7,
        },
        keys_and_values(2),
        growth=1.0,
        cuts_tails=False,
        causal_is_masked=False,
    ),
    # Chooses nothing: all tokens are one chunk, and all queries active.
    "lsh": Case("lsh", {"num_hashes": 2}, growth=1.0),
    "lsh_chunks": Case(
        "lsh",
        {"num_hashes": 2, "chunk_size": 2, "num_chunks_after": 1, "seed": 3},
        growth=1.0,
        sees_all=False,
        chooses=True,
    ),
    "prob_sparse": Case(
        "prob_sparse", {}, growth=1.15, weights_sum_to_one=False
    ),
    "prob_sparse_choosing": Case(
        "prob_sparse",
        {"factor": 1, "num_kv_heads": 2, "seed": 3},
        growth=1.15,
        weights_sum_to_one=False,
        chooses=True,
    ),
}
