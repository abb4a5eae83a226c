"""Flavours from before the Transformer."""

from tests.contract.case import Case, keys_and_values

CASES = {
    "additive": Case("additive", {}, keys_and_values(4)),
    "additive_in_blocks": Case(
        "additive",
        {"num_kv_heads": 2, "use_bias": False, "query_block_size": 3},
        keys_and_values(2),
    ),
}
