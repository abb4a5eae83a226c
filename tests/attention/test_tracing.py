"""Graphs that torch traces at one length and runs at others."""

import numpy as np
import pytest

from keras_attention import attention
from keras_attention.attention.core.softmax import softmax
from keras_attention.tensors import fixed_sizes
from tests.tools import BACKEND, few, near, to_numpy

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.skipif(BACKEND != "torch", reason="torch traces"),
    # By its words: to name its class, pytest imports torch even to skip.
    pytest.mark.filterwarnings(r"ignore:[\s\S]*the trace"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning"),
]
DIM = 16
ANY_LENGTH = """
    additive content cosformer cosine differential efficient entmax fourier
    induced_set latent linear luong multi_head nystrom performer sigmoid
    sparse_transformer talking_heads
""".split()
KNOWN_LENGTH = """
    axial bigbird block_sparse gated_delta gated_linear linformer longformer
    lsh prob_sparse retention shifted_window sliding_window
""".split()


def made(name):
    layer = attention.get(name, num_heads=2)
    layer.build((None, None, DIM))
    return layer


def inputs(rng, batch_size, length):
    x = rng.normal(size=(batch_size, length, DIM)).astype("float32")
    mask = np.arange(length) < [[length]] + [[length - 2]] * (batch_size - 1)
    return torch.tensor(x), torch.tensor(mask)


def traced(function, layer, *examples):
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, *tensors):
            return function(*tensors)

    with torch.no_grad():
        return torch.jit.trace(Module(), examples, check_trace=False)


def test_every_mixer_is_in_one_of_the_two_lists():
    mixers = [
        name
        for name, description in attention.describe().items()
        if description["kind"] == "mixer"
    ]
    assert sorted(mixers) == sorted(ANY_LENGTH + KNOWN_LENGTH)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", few(ANY_LENGTH, 3))
def test_a_graph_traced_at_one_key_serves_any_number(rng, name, causal):
    layer = made(name)
    if causal and not layer.supports_causal_mask:
        pytest.skip("is not causal")

    def call(x, mask):
        return layer(x, padding_mask=mask, use_causal_mask=causal)

    graph = traced(call, layer, *inputs(rng, 1, 1))
    for batch_size, length in ((3, 7), (2, 33), (1, 1)):
        given = inputs(rng, batch_size, length)
        near(graph(*given), call(*given))


@pytest.mark.parametrize("name", few(KNOWN_LENGTH, 2))
def test_what_needs_to_know_the_length_refuses_to_be_traced(rng, name):
    layer = made(name)
    with pytest.raises(ValueError, match="input_signature of fixed lengths"):
        traced(layer, layer, inputs(rng, 1, 1)[0])


def test_fixed_sizes_let_a_window_be_traced(rng):
    layer = attention.get("sliding_window", num_heads=2, window_size=3)
    layer.build((None, None, DIM))
    with fixed_sizes():
        graph = traced(layer, layer, inputs(rng, 1, 37)[0])
    for batch_size in (1, 3):
        x = inputs(rng, batch_size, 37)[0]
        near(graph(x), layer(x))


def test_softmax_over_one_key_is_no_constant_of_a_graph(rng):
    graph = torch.jit.trace(softmax, torch.ones((2, 1)), check_trace=False)
    x = torch.tensor(rng.normal(size=(3, 5)).astype("float32"))
    near(graph(x), to_numpy(torch.softmax(x, dim=-1)))
