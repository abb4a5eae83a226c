"""No tensor of a training step grows faster than the flavour's idea."""

import math

import pytest

from tests.contract.case import DIM
from tests.tools import BACKEND

SHORT, LONG = 256, 1024


def largest_tensor(layer, length, causal):
    """How many numbers the largest tensor of a traced training step has."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def step(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, padding_mask=mask, use_causal_mask=causal)
            loss = tf.reduce_sum(output**2)
        return tape.gradient(loss, x)

    graph = step.get_concrete_function(
        tf.TensorSpec((1, length, DIM)), tf.TensorSpec((1, length), "bool")
    ).graph
    graphs = [graph, *(f.graph for f in _functions(graph))]
    return max(
        math.prod(tensor.shape)
        for graph in graphs
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined()
    )


def _functions(graph):
    """The bodies of loops, recomputed blocks and the like."""
    found = list(graph._functions.values())
    return [f for f in found if getattr(f, "graph", None) is not None]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="reads TensorFlow's graph")
@pytest.mark.parametrize("causal", [False, True])
def test_the_largest_tensor_grows_as_the_idea_says(case, layers, causal):
    if causal and not case.make().supports_causal_mask:
        pytest.skip("is not causal")
    layer = layers.get(case)
    short, long = (largest_tensor(layer, n, causal) for n in (SHORT, LONG))
    growth = math.log(long / short) / math.log(LONG / SHORT)
    assert growth < case.growth + 0.1
