"""Flavours on grids and sets, and those that pool."""

from tests.contract.case import Case

CASES = {
    "shifted_window": Case(
        "shifted_window",
        {"window_size": 2},
        growth=1.0,
        sees_all=False,
        cuts_tails=False,
    ),
    "shifted": Case(
        "shifted_window",
        {"window_size": 3, "shift": 1, "num_kv_heads": 2},
        growth=1.0,
        sees_all=False,
        cuts_tails=False,
    ),
    # A padded query's row may hold no key where its column holds one.
    "axial": Case(
        "axial",
        {},
        growth=1.5,
        cuts_tails=False,
        weights_sum_to_one=False,
    ),
    "axial_rows": Case(
        "axial",
        {"axis": "row", "position": "rotary"},
        growth=1.5,
        sees_all=False,
        cuts_tails=False,
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
