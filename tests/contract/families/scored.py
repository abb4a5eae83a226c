"""Flavours that weigh every key by a score."""

from tests.contract.case import Case, keys_and_values

CASES = {
    "multi_head": Case("multi_head", {}, keys_and_values(4)),
    "grouped": Case(
        "multi_head",
        {"num_kv_heads": 2, "use_bias": False},
        keys_and_values(2),
    ),
    "multi_query_rotary": Case(
        "multi_head",
        {"num_kv_heads": 1, "position": "rotary"},
        keys_and_values(1),
    ),
}
