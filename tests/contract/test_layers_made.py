"""A call makes no layer: that costs more than a small call itself."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionPooling, attention
from tests.contract.case import BATCH, DIM, NUM_HEADS
from tests.models import small
from tests.tools import BACKEND, near


def calls(layer, x, source):
    """Functions that call a layer in each way that it knows."""
    yield lambda: layer(x)
    if layer.supports_causal_mask:
        yield lambda: layer(x, use_causal_mask=True)
    if layer.supports_cache:
        cache = layer.init_cache(BATCH, x.shape[1])
        yield lambda: layer(x, cache=cache)
    if layer.supports_cross_attention:
        yield lambda: layer(x, source)
        memory = layer.init_memory(source)
        yield lambda: layer(x, memory=memory)


def flavours():
    """All flavours, of which a few run by default."""
    few, mark = {"multi_head", "sliding_window", "luong"}, pytest.mark.full
    if BACKEND == "jax":  # which compiles every call anew
        few, mark = set(), pytest.mark.slow
    for name in attention.names():
        yield pytest.param(name, marks=() if name in few else mark)


@pytest.mark.parametrize("name", [*flavours()])
def test_no_call_makes_a_layer(name, rng, monkeypatch):
    layer = attention.get(name, num_heads=NUM_HEADS)
    x, source = (
        ops.convert_to_tensor(rng.normal(size=(BATCH, n, DIM)), "float32")
        for n in (7, 5)
    )
    made = []
    make = keras.layers.Layer.__init__

    def count(self, *args, **kwargs):
        made.append(type(self))
        make(self, *args, **kwargs)

    layer.build(x.shape)
    for call in calls(layer, x, source):
        call()  # the first may build parts
        with monkeypatch.context() as patched:
            patched.setattr(keras.layers.Layer, "__init__", count)
            call()
    assert not made


@pytest.mark.skipif(BACKEND != "torch", reason="torch.compile")
@pytest.mark.slow
def test_torch_compiles_a_pooling_whole(rng):
    import torch

    layer = AttentionPooling(2, num_seeds=2)
    x = torch.tensor(rng.normal(size=(3, 5, 8)), dtype=torch.float32)
    expected = layer(x)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    near(compiled(x).detach(), expected.detach())


@pytest.mark.skipif(BACKEND != "torch", reason="torch.compile")
@pytest.mark.slow
def test_torch_compiles_an_encoder_decoder(rng):
    import torch

    model = small.encoder_decoder(rng, num_layers=1)
    inputs = {
        name: torch.tensor(np.asarray(ids))
        for name, ids in small.pairs(rng).items()
    }
    expected = model(inputs)
    compiled = torch.compile(model, backend="eager")
    near(compiled(inputs).detach(), expected.detach())
