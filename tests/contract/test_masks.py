"""Causality, padding, and rows that may attend to nothing."""

import numpy as np
import pytest
from keras import ops

from tests.contract.case import BATCH, DTYPES, KEY_LENGTH, LENGTH, nothing_of
from tests.tools import at_once, gradients, to_numpy

HUGE = {"float32": 1e15, "bfloat16": 1e15, "float16": 1e3}


@pytest.fixture
def padding(rng):
    """At least one key counts in every row, and one does not."""
    mask = rng.random((BATCH, LENGTH)) < 0.6
    mask[:, 0], mask[:, -2] = True, False
    return mask


def test_future_tokens_do_not_change_the_past(layer, x, rng):
    if not layer.supports_causal_mask:
        with pytest.raises(ValueError, match="causal"):
            layer(x, use_causal_mask=True)
        return
    if not layer.exact_causal:
        pytest.skip("masks the future, but depends on it through selection")
    call = at_once(lambda x: layer(x, use_causal_mask=True))
    expected = to_numpy(call(x))
    for place in range(1, LENGTH):
        changed = x.copy()
        changed[:, place:] = rng.normal(size=changed[:, place:].shape)
        output = to_numpy(call(changed))
        np.testing.assert_allclose(
            output[:, :place], expected[:, :place], atol=1e-6
        )
        assert (np.abs(output - expected)[:, place:] > 1e-4).any()


def test_without_the_causal_mask_the_future_counts(case, layer, x):
    if not case.sees_all:
        pytest.skip("looks near by alone, or at few keys")
    changed = x.copy()
    changed[:, -1] += 1
    difference = to_numpy(layer(changed)) - to_numpy(layer(x))
    assert (np.abs(difference[:, 0]).max(axis=-1) > 1e-5).all()


def test_a_cut_off_tail_of_padding_changes_nothing(case, layer, x):
    if not case.cuts_tails:
        pytest.skip("depends on the length, padding included")
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, -3:] = False
    np.testing.assert_allclose(
        to_numpy(layer(x, padding_mask=mask))[:, :-3],
        to_numpy(layer(x[:, :-3])),
        atol=1e-5,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_contents_of_padding_do_not_matter(
    case, layers, rng, x, padding, dtype
):
    layer = layers.get(case, dtype=dtype)
    contents = [rng.normal(size=x.shape), HUGE[dtype], -HUGE[dtype]]
    for causal in {False, layer.supports_causal_mask}:
        arguments = {"padding_mask": padding, "use_causal_mask": causal}
        call = at_once(lambda x, a=arguments: layer(x, **a))
        expected = to_numpy(call(x))[padding]
        for content in contents:
            changed = np.where(padding[..., None], x, content)
            output = to_numpy(call(changed.astype("float32")))[padding]
            np.testing.assert_array_equal(output, expected)


def test_padding_gets_no_gradient(layer, x, padding):
    def loss(x):
        output = layer(x, padding_mask=padding)
        return ops.sum(ops.where(padding[..., None], output, 0.0) ** 2)

    _, (found, *_) = gradients(loss, x)
    assert np.all(found[~padding] == 0)
    assert np.all(np.abs(found[padding]).max(axis=-1) > 0)


def test_padding_of_a_source_does_not_matter(layer, x, source, rng):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    mask = rng.random((BATCH, KEY_LENGTH)) < 0.6
    mask[:, 1] = False
    mask[:, 2] = True
    changed = np.where(mask[..., None], source, 1e3).astype("float32")
    np.testing.assert_array_equal(
        to_numpy(layer(x, changed, padding_mask=mask)),
        to_numpy(layer(x, source, padding_mask=mask)),
    )


def test_dense_mask_hides_what_it_says(case, layer, x, rng):
    mask = rng.random((BATCH, LENGTH, LENGTH)) < 0.5
    mask[:, :, 0] = True
    mask[:, 2, 4] = False
    if not layer.supports_attention_mask:
        with pytest.raises(ValueError, match="attention_mask"):
            layer(x, attention_mask=mask)
        return
    changed = x.copy()
    changed[:, 4] += 1.0
    expected = to_numpy(layer(x, attention_mask=mask))
    output = to_numpy(layer(changed, attention_mask=mask))
    unseen = ~mask[:, :, 4]
    unseen[:, 4] = False
    np.testing.assert_array_equal(output[unseen], expected[unseen])
    seen = mask[:, :, 4]
    changes = np.abs(output - expected).max(axis=-1)[seen] > 1e-5
    assert changes.all() if case.sees_all else changes.any()


def test_dense_causal_mask_is_the_causal_mask(case, layer, x):
    if not (layer.supports_attention_mask and layer.supports_causal_mask):
        pytest.skip("does not take both masks")
    if not case.causal_is_masked:
        pytest.skip("chooses other keys where it is causal")
    mask = np.tril(np.ones((1, LENGTH, LENGTH), bool)).repeat(BATCH, axis=0)
    np.testing.assert_allclose(
        to_numpy(layer(x, attention_mask=mask)),
        to_numpy(layer(x, use_causal_mask=True)),
        atol=1e-6,
    )


def calls_that_see_nothing(layer):
    """Pairs of call arguments and the rows `(batch, length)` that are blind."""
    blind = np.zeros((BATCH, LENGTH), bool)
    blind[1] = True
    yield {"padding_mask": ~blind}, blind
    if layer.supports_causal_mask:
        late = np.zeros((BATCH, LENGTH), bool)
        late[:, :2] = True
        yield {"padding_mask": ~late, "use_causal_mask": True}, late
    if layer.supports_attention_mask:
        blind = np.zeros((BATCH, LENGTH), bool)
        blind[0, 3] = blind[2, 0] = True
        mask = np.repeat(~blind[..., None], LENGTH, axis=-1)
        yield {"attention_mask": mask}, blind


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_see_nothing_give_zeros(case, layers, x, dtype):
    layer = layers.get(case, dtype=dtype)
    nothing = nothing_of(layer)
    for arguments, blind in calls_that_see_nothing(layer):

        def loss(x, arguments=arguments):
            output = layer(x, **arguments)
            return ops.sum(ops.cast(output, "float32") ** 2), output

        inputs = ops.cast(ops.convert_to_tensor(x), dtype)
        (_, output), found = gradients(loss, inputs, layer=layer, has_aux=True)
        outputs = [output]
        if dtype == "float32":  # without anything to differentiate, too
            outputs.append(to_numpy(layer(x, **arguments)))
        for output in outputs:
            np.testing.assert_allclose(output[blind] - nothing, 0, atol=1e-7)
            assert (np.abs(output[~blind] - nothing).max(axis=-1) > 0).all()
        assert all(np.isfinite(gradient).all() for gradient in found)
        if "padding_mask" in arguments:
            # Nothing of a blind row is left to differentiate.
            assert np.all(found[0][blind] == 0)


def test_source_without_tokens_gives_zeros(layer, x, source):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    mask = np.ones((BATCH, KEY_LENGTH), bool)
    mask[1] = False
    output = to_numpy(layer(x, source, padding_mask=mask))
    np.testing.assert_allclose(output[1] - nothing_of(layer), 0, atol=1e-7)
    assert np.isfinite(output).all()


def test_masks_that_cannot_be_meant_are_refused(layer, x):
    shapes = {
        "padding_mask": (BATCH, LENGTH),
        "attention_mask": (BATCH, LENGTH, LENGTH),
    }
    for name, shape in shapes.items():
        added = np.zeros(shape, "float32")  # where 0 means: may attend
        with pytest.raises(ValueError, match=f"{name} must be boolean"):
            layer(x, **{name: added})
        with pytest.raises(ValueError, match=name):
            layer(x, **{name: np.ones((*shape[:-1], LENGTH + 1), bool)})
