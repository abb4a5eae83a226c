"""Flavours that attend to what lies near, in a sequence or a grid."""

from tests.contract.case import DIM, NUM_HEADS, Case


def ring(num_kv_heads, window_size, dilation=1, num_sinks=0):
    """The shapes of a cache of the keys in reach, and of the first ones."""

    def shapes(batch_size, max_length):
        steps = min(window_size + 1, -(-max_length // dilation))
        length = num_sinks + steps * dilation
        heads = (batch_size, num_kv_heads, length, DIM // NUM_HEADS)
        return {"key": heads, "value": heads, "key_mask": (batch_size, length)}

    return shapes


CASES = {
    "sliding_window": Case(
        "sliding_window",
        {"window_size": 2},
        ring(4, 2),
        growth=1.0,
        sees_all=False,
    ),
    "dilated_window_with_sinks": Case(
        "sliding_window",
        {
            "window_size": 1,
            "dilation": 2,
            "num_sinks": 1,
            "num_kv_heads": 2,
            "position": "rotary",
        },
        ring(2, 1, 2, 1),
        growth=1.0,
        sees_all=False,
    ),
    "longformer": Case(
        "longformer",
        {"window_size": 2},
        growth=1.0,
        weights_make_output=False,
    ),
    "longformer_dilated": Case(
        "longformer",
        {
            "window_size": 1,
            "dilation": 2,
            "num_global_tokens": 2,
            "num_kv_heads": 2,
            "position": "rotary",
        },
        growth=1.0,
        weights_make_output=False,
    ),
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
}
