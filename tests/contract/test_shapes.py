"""What goes in and what comes out."""

import keras
import numpy as np
import pytest

from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH
from tests.tools import to_numpy


@pytest.mark.autograph
def test_self_attention_keeps_the_shape(case, x):
    layer = case.make()
    assert tuple(layer(x).shape) == (BATCH, LENGTH, DIM)
    assert keras.backend.standardize_dtype(layer(x).dtype) == "float32"


def test_cross_attention_has_the_length_of_the_query(case, x, source):
    layer = case.make()
    if not layer.supports_cross_attention:
        with pytest.raises(ValueError, match="cross-attention"):
            layer(x, source)
        return
    assert tuple(layer(x, source).shape) == (BATCH, LENGTH, DIM)


def test_source_may_have_other_widths(case, x, rng):
    layer = case.make()
    if layer.supports_cross_attention and not case.same_widths:
        value = rng.normal(size=(BATCH, KEY_LENGTH, 11)).astype("float32")
        key = rng.normal(size=(BATCH, KEY_LENGTH, 13)).astype("float32")
        output = layer(x, value, key)
        assert tuple(output.shape) == (BATCH, LENGTH, DIM)


def test_symbolic_shape_leaves_batch_and_length_open(case):
    output = case.make()(keras.Input((None, DIM)))
    assert tuple(output.shape) == (None, None, DIM)


def test_self_attention_may_be_spelled_out(layer, x):
    expected = to_numpy(layer(x))
    tensor = keras.ops.convert_to_tensor(x)
    for same in (x, tensor):
        for output in (
            layer(same, same),
            layer(same, same, same),
            layer(same, key=same),
            layer(same, value=same),
            layer(query=same, value=same, key=same),
        ):
            np.testing.assert_allclose(to_numpy(output), expected, atol=1e-6)


def test_spelled_out_self_attention_in_a_functional_model(layer, x):
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs, inputs))
    np.testing.assert_allclose(
        to_numpy(model(x)), to_numpy(layer(x)), atol=1e-6
    )


def test_rows_of_a_batch_do_not_touch(layer, x):
    together = to_numpy(layer(x))
    for row in range(BATCH):
        alone = to_numpy(layer(x[row : row + 1]))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_one_position_is_enough(layer, x):
    assert np.isfinite(to_numpy(layer(x[:, :1]))).all()


def test_input_is_no_longer_needed_whole(layer, x):
    # The same weights at a shorter length: nothing was frozen in build.
    assert tuple(layer(x[:, :-2]).shape) == (BATCH, LENGTH - 2, DIM)
