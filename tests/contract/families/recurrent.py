"""Flavours whose past is a state of constant size."""

from tests.contract.case import DIM, NUM_HEADS, Case


def state(key_dim=DIM // NUM_HEADS, value_dim=DIM // NUM_HEADS, **tails):
    """The shapes of a cache of one state a head, and of what is given."""
    return lambda batch_size, max_length: {
        "state": (batch_size, NUM_HEADS, key_dim, value_dim),
        **{name: (batch_size, *shape) for name, shape in tails.items()},
    }


def case(name, options, cache):
    return Case(name, options, cache, growth=1.0, weights_sum_to_one=False)


CASES = {
    "retention": case(
        "retention", {"chunk_size": 2, "position": "rotary"}, state()
    ),
    "retention_bare": case(
        "retention",
        {
            "decay": [0.5, 0.7, 0.9, 1.0],
            "head_dim": 5,
            "value_head_dim": 3,
            "norm": False,
            "gate": False,
        },
        state(5, 3),
    ),
    "gated_linear": case(
        "gated_linear",
        {"chunk_size": 4, "gate_rank": 3, "value_head_dim": 5},
        state(value_dim=5),
    ),
    "gated_delta": case("gated_delta", {"chunk_size": 4}, state()),
    "gated_delta_convolution": case(
        "gated_delta",
        {
            "chunk_size": 2,
            "conv_size": 3,
            "num_key_heads": 2,
            "head_dim": 7,
            "value_head_dim": 7,
        },
        state(7, 7, query=(2, 2, 7), key=(2, 2, 7), value=(2, 4, 7)),
    ),
}
