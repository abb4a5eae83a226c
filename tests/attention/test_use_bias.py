"""Which projections have a bias is said for each of them by its name."""

import keras
import pytest

from keras_attention import attention
from keras_attention.registry import arguments_of

DIM = 16
# Only with their options have they all the projections that they may name.
OPTIONS = {"latent": {"query_rank": 6}, "luong": {"score": "concat"}}


def denses(layer):
    """The projections of a layer by the names that `use_bias` lists."""
    names = {"attention_output": "output"}
    return {
        names.get(part.name, part.name): part
        for part in layer._flatten_layers()
        if isinstance(part, keras.layers.EinsumDense)
    }


def made(flavour, **options):
    options = {**OPTIONS.get(flavour, {}), **options}
    if "gate" in arguments_of(type(attention.get(flavour, num_heads=2))):
        options["gate"] = True
    layer = attention.get(flavour, num_heads=2, **options)
    layer.build((None, 8, DIM))
    return layer


def flavours():
    """All that have projections; by default those with some of their own."""
    few = {"multi_head", "latent", "longformer", "gated_delta", "induced_set"}
    for name in attention.names():
        if "use_bias" in arguments_of(type(attention.get(name, num_heads=2))):
            marks = () if name in few else pytest.mark.full
            yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("flavour", [*flavours()])
def test_each_alone(flavour):
    every = made(flavour, use_bias=True)
    biased = {n for n, d in denses(every).items() if d.bias is not None}
    assert biased <= set(every.projections)
    for name in every.projections:
        layer = made(flavour, use_bias=[name])
        found = {n for n, d in denses(layer).items() if d.bias is not None}
        assert found == {name} & biased
        copy = type(layer).from_config(layer.get_config())
        assert copy.use_bias == [name]
    none = made(flavour, use_bias=())
    assert all(dense.bias is None for dense in denses(none).values())
