"""Flavours that score every query against every key."""

from tests.contract.case import Case, keys_and_values


def pairs_of_keys_and_values(num_kv_heads, head_dim):
    """The shapes of a cache of two keys to a value, half as wide."""
    return lambda batch_size, max_length: {
        "key": (batch_size, 2 * num_kv_heads, max_length, head_dim // 2),
        "value": (batch_size, num_kv_heads, max_length, head_dim),
        "mask": (batch_size, max_length),
    }


def compressed(kv_rank, rope_dim):
    """The shapes of a cache of compressed vectors and rotated keys."""
    return lambda batch_size, max_length: {
        "compressed": (batch_size, max_length, kv_rank),
        "rope": (batch_size, max_length, rope_dim),
        "mask": (batch_size, max_length),
    }


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
    "normalized_gated_with_sinks": Case(
        "multi_head",
        {
            "num_kv_heads": 2,
            "position": "rotary",
            "qk_norm": True,
            "logit_softcap": 3.0,
            "gate": True,
            "sink_logits": True,
            "query_block_size": 3,
        },
        keys_and_values(2),
        weights_sum_to_one=False,
    ),
    "off_by_one": Case(
        "multi_head",
        {"off_by_one": True},
        keys_and_values(4),
        weights_sum_to_one=False,
    ),
    "sigmoid": Case(
        "sigmoid", {}, keys_and_values(4), weights_sum_to_one=False
    ),
    # Weights of entmax are zero for some keys.
    "entmax": Case(
        "entmax",
        {"query_block_size": 3},
        keys_and_values(4),
        sees_all=False,
    ),
    "sparsemax": Case(
        "entmax",
        {"alpha": 2.0, "num_kv_heads": 2},
        keys_and_values(2),
        sees_all=False,
    ),
    "talking_heads": Case(
        "talking_heads",
        {"num_kv_heads": 2, "query_block_size": 3},
        keys_and_values(2),
        weights_sum_to_one=False,
    ),
    "differential": Case(
        "differential",
        {"num_kv_heads": 2, "query_block_size": 3},
        pairs_of_keys_and_values(2, 6),
        weights_sum_to_one=False,
    ),
    "differential_rotary": Case(
        "differential",
        {"head_dim": 8, "depth": 2, "position": "rotary"},
        pairs_of_keys_and_values(4, 8),
        weights_sum_to_one=False,
    ),
    "latent": Case(
        "latent",
        {"query_block_size": 3},
        compressed(24, 2),
        weights_make_output=False,  # they mix expanded values
    ),
    "latent_rotary": Case(
        "latent",
        {
            "kv_rank": 10,
            "rope_dim": 4,
            "value_dim": 5,
            "query_rank": 9,
            "position": "rotary",
        },
        compressed(10, 4),
        weights_make_output=False,
    ),
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
    "cosine": Case(
        "cosine",
        {"num_kv_heads": 2, "query_block_size": 3},
        keys_and_values(2),
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
