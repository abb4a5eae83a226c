"""Flavours that see a band of keys around each query."""

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
}
