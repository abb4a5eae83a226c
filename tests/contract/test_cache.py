"""A cache: decoding gives what the full pass gives."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from keras import ops

from tests.contract.case import (
    BATCH,
    DIM,
    LENGTH,
    nothing_of,
    without_norm,
)
from tests.tools import (
    BACKEND,
    at_once,
    compiled,
    near,
    near_by_size,
    to_numpy,
)

MAX_LENGTH = LENGTH + 4
EXAMPLES = {"tensorflow": 1, "torch": 3, "jax": 1}


@pytest.fixture
def layer(layer):
    if not layer.supports_cache:
        pytest.skip("has no cache")
    return layer


@st.composite
def splits(draw):
    """Borders of pieces that make up the whole sequence."""
    inner = draw(st.sets(st.integers(1, LENGTH - 1)))
    return [0, *sorted(inner), LENGTH]


@st.composite
def paddings(draw):
    """A mask `(batch, length)` with holes anywhere."""
    rows = st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH)
    return np.array(draw(st.lists(rows, min_size=BATCH, max_size=BATCH)))


def feed(layer, x, borders, padding_mask=None, max_length=MAX_LENGTH):
    """The outputs of all pieces, one after the other, and the cache."""

    def run(x):
        cache, outputs = layer.init_cache(len(x), max_length), []
        for start, stop in zip(borders, borders[1:], strict=False):
            mask = None if padding_mask is None else padding_mask[:, start:stop]
            output, cache = layer(
                x[:, start:stop], padding_mask=mask, cache=cache, start=start
            )
            outputs.append(output)
        return outputs, cache

    outputs, cache = at_once(run)(x)
    return np.concatenate(to_numpy(outputs), axis=1), cache


def test_a_flavour_without_a_cache_refuses_one(case, layers, x):
    layer = layers.get(case)
    assert layer.supports_cache == (case.cache is not None)
    if layer.supports_cache:
        # A cache is exact, so what it serves has to be.
        assert layer.exact_causal and layer.supports_causal_mask
        return
    with pytest.raises(ValueError, match="cache"):
        layer.init_cache(BATCH, LENGTH)
    with pytest.raises(ValueError, match="cache"):
        layer(x, cache={"key": x})


@hypothesis.settings(
    max_examples={"tensorflow": 1, "torch": 3, "jax": 1}[BACKEND]
)
@hypothesis.given(borders=splits(), padding=st.none() | paddings())
@hypothesis.example(borders=list(range(LENGTH + 1)), padding=None)
@hypothesis.example(borders=[0, LENGTH], padding=None)
def test_any_split_gives_the_full_pass(layer, x, borders, padding):
    full = at_once(
        lambda x: layer(x, padding_mask=padding, use_causal_mask=True)
    )
    with without_norm(layer):
        expected = full(x)
        output, _ = feed(layer, x, borders, padding)
    has_sums = getattr(layer, "norm", False)  # of any size, without their norm
    (near_by_size if has_sums else near)(output, expected)


@pytest.mark.autograph
def test_the_length_of_the_cache_does_not_matter(layer, x):
    exact, _ = feed(layer, x, [0, 3, LENGTH], max_length=LENGTH)
    longer, _ = feed(layer, x, [0, 3, LENGTH], max_length=3 * LENGTH)
    np.testing.assert_allclose(exact, longer, atol=1e-5)


def test_padded_keys_do_not_enter_the_state(layer, x, rng):
    mask = rng.random((BATCH, LENGTH)) < 0.6
    changed = np.where(mask[..., None], x, 1e3).astype("float32")
    borders = [0, 2, 3, LENGTH]
    expected, _ = feed(layer, x, borders, mask)
    output, _ = feed(layer, changed, borders, mask)
    np.testing.assert_array_equal(output[mask], expected[mask])


def test_rows_that_have_seen_nothing_yet_give_zeros(layer, x):
    mask = np.ones((BATCH, LENGTH), bool)
    mask[1, :4] = False
    output, _ = feed(layer, x, [0, 1, 3, LENGTH], mask)
    nothing = nothing_of(layer)
    np.testing.assert_allclose(output[1, :4] - nothing, 0, atol=1e-7)
    assert np.abs(output[1, 4:] - nothing).max() > 1e-3


def test_the_cache_is_as_small_as_the_idea_allows(case, layer):
    for batch_size, max_length in ((BATCH, 11), (1, 17)):
        cache = layer.init_cache(batch_size, max_length)
        shapes = {name: tuple(leaf.shape) for name, leaf in cache.items()}
        assert shapes == case.cache(batch_size, max_length)


def test_a_step_keeps_the_form_of_the_cache(case, layers, x):
    if case.cache is None:
        pytest.skip("has no cache")
    for dtype in ("float32", "mixed_bfloat16", "float16"):
        layer = layers.get(case, dtype=dtype)
        empty = layer.init_cache(BATCH, MAX_LENGTH)
        _, cache = layer(x[:, :1], cache=empty, start=0)
        form = lambda leaf: (
            tuple(leaf.shape),
            keras.backend.standardize_dtype(leaf.dtype),
        )
        assert {name: form(leaf) for name, leaf in cache.items()} == {
            name: form(leaf) for name, leaf in empty.items()
        }


def test_reordered_rows_go_on_as_the_rows_they_were(layer, x):
    # What beam search does to all leaves alike.
    order = np.array([2, 0, 0])
    _, cache = feed(layer, x[:, :4], [0, 4])
    cache = keras.tree.map_structure(lambda t: ops.take(t, order, 0), cache)
    output, _ = layer(x[order, 4:], cache=cache, start=4)
    expected = to_numpy(layer(x, use_causal_mask=True))[order, 4:]
    np.testing.assert_allclose(to_numpy(output), expected, atol=1e-5)


def test_the_cache_that_was_passed_is_not_changed(layer, x):
    empty = layer.init_cache(BATCH, MAX_LENGTH)
    before = to_numpy(empty)
    layer(x, cache=empty, start=0)
    keras.tree.map_structure(
        np.testing.assert_array_equal, to_numpy(empty), before
    )


def test_more_positions_than_the_cache_holds_are_refused(layer, x):
    if "mask" not in layer.init_cache(BATCH, 1):
        pytest.skip("its cache has no length")
    for start in (LENGTH - 1, np.int64(LENGTH - 1)):
        with pytest.raises(ValueError, match="max_length"):
            layer(x[:, :2], cache=layer.init_cache(BATCH, LENGTH), start=start)


def test_what_a_cache_excludes_is_refused(layer, x, source):
    cache = layer.init_cache(BATCH, LENGTH)
    mask = np.ones((BATCH, LENGTH, LENGTH), bool)
    with pytest.raises(ValueError, match="attention_mask"):
        layer(x, cache=cache, attention_mask=mask)
    with pytest.raises(ValueError, match="cross-attention"):
        layer(x, source, cache=cache)


def test_a_cache_needs_a_built_layer(case, layer):
    with pytest.raises(ValueError, match="built"):
        case.make().init_cache(BATCH, LENGTH)


def test_a_compiled_step_with_a_computed_start(layer, x):
    step = compiled(lambda x, cache, start: layer(x, cache=cache, start=start))
    cache, outputs = layer.init_cache(BATCH, MAX_LENGTH), []
    for start in range(LENGTH):
        number = ops.convert_to_tensor(start, dtype="int32")
        token = ops.convert_to_tensor(x[:, start : start + 1])
        output, cache = step(token, cache, number)
        outputs.append(to_numpy(output))
    np.testing.assert_allclose(
        np.concatenate(outputs, axis=1),
        to_numpy(layer(x, use_causal_mask=True)),
        atol=1e-5,
    )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(layer, x):
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, DIM]),
            tf.TensorSpec([], "int32"),
        ]
    )
    def decode(x, border):
        cache = layer.init_cache(tf.shape(x)[0], tf.shape(x)[1] + 1)
        first, cache = layer(x[:, :border], cache=cache, start=0)
        rest, _ = layer(x[:, border:], cache=cache, start=border)
        return tf.concat([first, rest], axis=1)

    for rows, border in ((BATCH, 1), (1, 4)):
        expected = to_numpy(layer(x[:rows], use_causal_mask=True))
        output = decode(tf.constant(x[:rows]), tf.constant(border))
        np.testing.assert_allclose(to_numpy(output), expected, atol=1e-5)
