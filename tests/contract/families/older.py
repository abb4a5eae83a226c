"""Flavours from before the Transformer."""

from tests.contract.case import Case, keys_and_values

CASES = {
    "additive": Case("additive", {}, keys_and_values(4)),
    "additive_in_blocks": Case(
        "additive",
        {"num_kv_heads": 2, "use_bias": False, "query_block_size": 3},
        keys_and_values(2),
    ),
    "content": Case(
        "content",
        {"num_kv_heads": 2, "position": "rotary"},
        keys_and_values(2),
    ),
    "content_memory": Case(
        "content",
        {"use_projections": False, "query_block_size": 3},
        keys_and_values(4),
        same_widths=True,
    ),
    "luong": Case("luong", {"num_kv_heads": 2}, keys_and_values(2)),
    "luong_dot": Case(
        "luong",
        {"score": "dot", "position": "rotary"},
        keys_and_values(4),
        same_widths=True,
    ),
    "luong_context": Case(
        "luong",
        {"use_projections": False},
        keys_and_values(4),
        same_widths=True,
    ),
    "luong_monotonic": Case(
        "luong",
        {"score": "concat", "local": "monotonic", "window_size": 2},
        keys_and_values(4),
        sees_all=False,
    ),
    "luong_predictive": Case(
        "luong",
        {"local": "predictive", "window_size": 4, "query_block_size": 3},
        keys_and_values(4),
        weights_sum_to_one=False,
    ),
}
