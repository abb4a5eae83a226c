"""Flavours that attend to fewer keys, or to chosen ones, or mix by a rule."""

from tests.contract.case import Case

CASES = {
    "fourier": Case("fourier", {}, growth=1.0, cuts_tails=False),
    "linformer": Case(
        "linformer",
        {"max_length": 1024, "rank": 3},
        growth=1.0,
        weights_sum_to_one=False,
    ),
    "linformer_per_head": Case(
        "linformer",
        {
            "max_length": 1024,
            "rank": 5,
            "share_key_value": True,
            "per_head": True,
            "num_kv_heads": 2,
        },
        growth=1.0,
        weights_sum_to_one=False,
    ),
    # Few iterations: each makes what rounding did three times as large.
    "nystrom": Case(
        "nystrom",
        {"num_landmarks": 3, "num_iterations": 2},
        growth=1.0,
        weights_sum_to_one=False,
    ),
    "nystrom_conv": Case(
        "nystrom",
        {
            "num_landmarks": 2,
            "num_iterations": 2,
            "conv_kernel_size": 3,
            "num_kv_heads": 2,
        },
        growth=1.0,
        weights_sum_to_one=False,
        weights_make_output=False,
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
