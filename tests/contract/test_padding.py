"""Padding that is no number reaches neither results nor gradients."""

import numpy as np
import pytest

from keras_attention import PointerAttention
from tests.contract.case import BATCH, KEY_LENGTH, LENGTH
from tests.contract.families.reduced import POOLING
from tests.spoilt import check_same, some_of, spoilt
from tests.tools import randomize, to_numpy


@pytest.mark.parametrize("causal", [False, True])
def test_of_a_sequence(layer, x, rng, causal):
    if causal and not layer.supports_causal_mask:
        pytest.skip("is not causal")
    mask = some_of(rng, (BATCH, LENGTH))

    def run(x):
        return layer(x, padding_mask=mask, use_causal_mask=causal)

    check_same(layer, run, x, mask, mask)


@pytest.mark.parametrize("form", ["value", "memory"])
def test_of_a_source(layer, x, source, rng, form):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    mask = some_of(rng, (BATCH, KEY_LENGTH))

    def run(source):
        if form == "value":
            return layer(x, source, padding_mask=mask)
        memory = layer.init_memory(source, padding_mask=mask)
        return layer(x, memory=memory)

    check_same(layer, run, source, mask)


def test_of_what_a_cache_is_fed(layer, x, rng):
    if not layer.supports_cache:
        pytest.skip("has no cache")
    mask = some_of(rng, (BATCH, LENGTH))

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
    layer, mask = POOLING[key].layer(rng), some_of(rng, (BATCH, LENGTH))

    def run(x):
        return layer(x, padding_mask=mask)

    check_same(layer, run, x, mask)


@pytest.mark.parametrize("form", ["key", "value", "memory", "itself"])
def test_of_what_is_pointed_at(x, source, rng, form):
    layer = PointerAttention(11)
    layer.build(x.shape, source.shape)
    randomize(layer, rng)
    if form == "itself":
        mask = some_of(rng, (BATCH, LENGTH))
        check_same(layer, lambda x: layer(x, padding_mask=mask), x, mask, mask)
        return
    mask = some_of(rng, (BATCH, KEY_LENGTH))

    def run(source):
        if form == "memory":
            memory = layer.init_memory(source, padding_mask=mask)
            return layer(x, memory=memory)
        return layer(x, **{form: source}, padding_mask=mask)

    check_same(layer, run, source, mask)
