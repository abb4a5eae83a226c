"""Padding that is no number reaches neither results nor gradients."""

import numpy as np
import pytest
from keras import ops

from tests.contract.case import BATCH, KEY_LENGTH, LENGTH
from tests.contract.families.sets import POOLING
from tests.tools import differentiated, randomize, to_numpy


def some_of(rng, length):
    """A mask `(batch, length)`: in every row one counts and one does not."""
    mask = rng.random((BATCH, length)) < 0.6
    mask[:, 0], mask[:, -2] = True, False
    return mask


def spoilt(x, mask):
    """`x` with zeros at padding, and with what is no number there."""
    worst = np.array([np.nan, np.inf, -np.inf], "float32")[:, None, None]
    return [
        np.where(mask[..., None], x, content).astype("float32")
        for content in (0.0, worst)
    ]


def check_same(layer, run, x, mask, counts=None):
    """Compares results and gradients with padding of zeros and of none.

    Args:
        layer: what has the weights.
        run: function from `x` to the output.
        x: `(batch, length, dim)`.
        mask: boolean `(batch, length)`, which of `x` counts.
        counts: boolean `(batch, length)`, the rows of the output whose
            numbers are promised; None for all.
    """

    def loss(x):
        output = run(x)
        if counts is not None:
            output = ops.where(counts[..., None], output, 0.0)
        return ops.sum(output**2), output

    differentiate = differentiated(loss, layer, has_aux=True)
    zeros, worst = spoilt(x, mask)
    (_, expected), wanted = differentiate(zeros)
    (_, output), found = differentiate(worst)
    assert np.isfinite(output).all()
    np.testing.assert_array_equal(output, expected)
    names = ["x", *(variable.path for variable in layer.trainable_variables)]
    for name, ours, theirs in zip(names, found, wanted, strict=True):
        assert np.isfinite(ours).all(), name
        np.testing.assert_allclose(ours, theirs, atol=1e-6, err_msg=name)
    assert np.all(found[0][~mask] == 0)


@pytest.mark.parametrize("causal", [False, True])
def test_of_a_sequence(layer, x, rng, causal):
    if causal and not layer.supports_causal_mask:
        pytest.skip("is not causal")
    mask = some_of(rng, LENGTH)

    def run(x):
        return layer(x, padding_mask=mask, use_causal_mask=causal)

    check_same(layer, run, x, mask, mask)


@pytest.mark.parametrize("form", ["value", "memory"])
def test_of_a_source(layer, x, source, rng, form):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    mask = some_of(rng, KEY_LENGTH)

    def run(source):
        if form == "value":
            return layer(x, source, padding_mask=mask)
        memory = layer.init_memory(source, padding_mask=mask)
        return layer(x, memory=memory)

    check_same(layer, run, source, mask)


def test_of_what_a_cache_is_fed(layer, x, rng):
    if not layer.supports_cache:
        pytest.skip("has no cache")
    mask = some_of(rng, LENGTH)

    def feed(x):
        cache, outputs = layer.init_cache(BATCH, LENGTH), []
        for start, stop in ((0, 3), (3, 4), (4, LENGTH)):
            output, cache = layer(
                x[:, start:stop],
                padding_mask=mask[:, start:stop],
                cache=cache,
                start=start,
            )
            outputs.append(to_numpy(output))
        return np.concatenate(outputs, axis=1)[mask], to_numpy(cache)

    zeros, worst = (feed(x) for x in spoilt(x, mask))
    np.testing.assert_array_equal(worst[0], zeros[0])
    for name, leaf in worst[1].items():
        np.testing.assert_array_equal(leaf, zeros[1][name], err_msg=name)


@pytest.mark.parametrize("key", POOLING)
def test_of_what_is_pooled(key, x, rng):
    layer, mask = POOLING[key].layer(rng), some_of(rng, LENGTH)

    def run(x):
        return layer(x, padding_mask=mask)

    check_same(layer, run, x, mask)


@pytest.mark.parametrize("form", ["key", "value", "memory", "itself"])
def test_of_what_is_pointed_at(x, source, rng, form):
    from keras_attention import attention

    layer = attention.get("pointer", hidden_dim=11)
    layer.build(x.shape, source.shape)
    randomize(layer, rng)
    if form == "itself":
        mask = some_of(rng, LENGTH)
        check_same(layer, lambda x: layer(x, padding_mask=mask), x, mask, mask)
        return
    mask = some_of(rng, KEY_LENGTH)

    def run(source):
        if form == "memory":
            memory = layer.init_memory(source, padding_mask=mask)
            return layer(x, memory=memory)
        return layer(x, **{form: source}, padding_mask=mask)

    check_same(layer, run, source, mask)
