"""Flavours whose weights are products of positive features."""

from tests.contract.case import DIM, NUM_HEADS, Case

HEAD_DIM = DIM // NUM_HEADS


def sums(num_features, num_kv_heads=NUM_HEADS, width=HEAD_DIM, with_log=False):
    """The shapes of a cache of sums; it does not grow with the length."""

    def shapes(batch_size, max_length):
        heads = (batch_size, num_kv_heads)
        shapes = {
            "state": (*heads, num_features, width),
            "sum": (*heads, num_features),
        }
        return {**shapes, "log": heads} if with_log else shapes

    return shapes


CASES = {
    "linear": Case("linear", {"chunk_size": 3}, sums(HEAD_DIM), growth=1.0),
    "linear_softmax": Case(
        "linear",
        {"feature_map": "softmax", "num_kv_heads": 2, "position": "rotary"},
        sums(HEAD_DIM, 2),
        growth=1.0,
    ),
    "efficient": Case("efficient", {}, growth=1.0),
    "performer": Case(
        "performer",
        {"num_kv_heads": 2, "num_features": 13, "chunk_size": 3, "seed": 5},
        sums(13, 2, with_log=True),
        growth=1.0,
    ),
    "cosformer": Case(
        "cosformer",
        # Wide heads: of six rectified features too often hardly any is left.
        {"head_dim": 12, "max_length": 1024, "chunk_size": 3},
        sums(24, width=12),
        growth=1.0,
    ),
}
