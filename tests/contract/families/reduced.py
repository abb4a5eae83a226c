"""Flavours that attend to fewer keys, or by fewer queries."""

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
    "induced_set": Case(
        "induced_set",
        {"num_inducing": 3},
        growth=1.0,
        weights_make_output=False,
    ),
}

POOLING = {
    "pooling": Case("pooling", {"num_seeds": 3}, growth=1.0),
    "perceiver": Case(
        "perceiver", {"num_latents": 3, "latent_dim": 20}, growth=1.0
    ),
}
