"""Cross-attention to a source that is projected once."""

import numpy as np
import pytest

from tests.contract.case import BATCH, KEY_LENGTH, LENGTH
from tests.tools import at_once, to_numpy


def test_a_flavour_that_attends_to_itself_alone_refuses_a_source(
    layer, x, source
):
    if layer.supports_cross_attention:
        layer.init_memory(source)
        return
    with pytest.raises(ValueError, match="cross-attention"):
        layer(x, source)
    with pytest.raises(ValueError, match="cross-attention"):
        layer.init_memory(source)
    with pytest.raises(ValueError, match="cross-attention"):
        layer(x, memory={"key": source})


@pytest.fixture
def cross(layer):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    return layer


def test_memory_is_direct_cross_attention(cross, x, source, rng):
    key = rng.normal(size=source.shape).astype("float32")
    mask = rng.random((BATCH, KEY_LENGTH)) < 0.6
    for arguments in (
        {"value": source},
        {"value": source, "key": key},
        {"value": source, "padding_mask": mask},
    ):
        through = at_once(
            lambda x, a=arguments: cross(x, memory=cross.init_memory(**a))
        )
        direct = at_once(lambda x, a=arguments: cross(x, **a))
        np.testing.assert_allclose(
            to_numpy(through(x)), to_numpy(direct(x)), atol=1e-6
        )


def test_memory_serves_a_piece_of_the_query_alone(cross, x, source):
    memory = cross.init_memory(source)
    expected = to_numpy(cross(x, source))
    for place in range(LENGTH):
        piece = cross(x[:, place : place + 1], memory=memory, start=place)
        np.testing.assert_allclose(
            to_numpy(piece)[:, 0], expected[:, place], atol=1e-5
        )


def test_all_of_the_memory_is_batch_first(cross, source):
    for leaf in cross.init_memory(source).values():
        assert leaf.shape[0] == BATCH


def test_masks_of_the_memory_and_of_the_call_both_hold(cross, x, source):
    first, second = np.ones((2, BATCH, KEY_LENGTH), bool)
    first[:, 1] = second[:, 3] = False
    memory = cross.init_memory(source, padding_mask=first)
    np.testing.assert_allclose(
        to_numpy(cross(x, memory=memory, padding_mask=second)),
        to_numpy(cross(x, source, padding_mask=first & second)),
        atol=1e-6,
    )


def test_memory_beside_value_or_key_is_refused(cross, x, source):
    memory = cross.init_memory(source)
    for arguments in ({"value": source}, {"key": source}):
        with pytest.raises(ValueError, match="memory"):
            cross(x, memory=memory, **arguments)


def test_memory_needs_a_built_layer(case, source):
    layer = case.make()
    if layer.supports_cross_attention:
        with pytest.raises(ValueError, match="built"):
            layer.init_memory(source)
