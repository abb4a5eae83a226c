"""What the contract asks of layers whose output has its own length."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import attention
from keras_attention.registry import describe
from tests.contract.case import BATCH, DIM, DTYPES, LENGTH, nothing_of
from tests.contract.families.reduced import POOLING
from tests.tools import BACKEND, compiled, gradients, near, to_numpy


@pytest.fixture(params=POOLING)
def case(request):
    return POOLING[request.param]


@pytest.fixture
def padding(rng):
    mask = rng.random((BATCH, LENGTH)) < 0.6
    mask[:, 0], mask[:, -2] = True, False
    return mask


def shape_of(layer):
    return (BATCH, 3, getattr(layer, "latent_dim", None) or DIM)


def test_the_output_has_a_length_of_its_own(case, x):
    layer = case.make()
    assert tuple(layer(x).shape) == shape_of(layer)
    assert tuple(layer(x[:, :2]).shape) == shape_of(layer)
    symbolic = case.make()(keras.Input((None, DIM)))
    assert tuple(symbolic.shape) == (None, *shape_of(layer)[1:])


def test_queries_of_the_callers_own(case, layer, x, source):
    latents = to_numpy(layer(x))
    assert tuple(layer(latents, x).shape) == latents.shape
    memory = layer.init_memory(x)
    near(layer(latents, memory=memory), layer(latents, x))


def test_the_order_does_not_matter(layer, x, rng):
    near(layer(x[:, rng.permutation(LENGTH)]), layer(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_contents_of_padding_do_not_matter(
    case, layers, rng, x, padding, dtype
):
    layer = layers.get(case, dtype=dtype)
    expected = to_numpy(layer(x, padding_mask=padding))
    for content in (rng.normal(size=x.shape), 1e3):
        changed = np.where(padding[..., None], x, content).astype("float32")
        output = to_numpy(layer(changed, padding_mask=padding))
        np.testing.assert_array_equal(output, expected)
    near(
        layer(x[:1, padding[0]]),
        expected[:1],
        2e-2 if dtype != "float32" else 1e-5,
    )


def test_nothing_to_pool_gives_zeros(layer, x, padding):
    padding[1] = False
    output = to_numpy(layer(x, padding_mask=padding))
    near(output[1] - nothing_of(layer), np.zeros(output.shape[1:]))
    _, found = gradients(
        lambda x: ops.sum(layer(x, padding_mask=padding) ** 2), x, layer=layer
    )
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert np.all(found[0][~padding] == 0)
    assert all(np.abs(gradient).max() > 0 for gradient in found)


def test_an_implicit_mask_is_honoured_and_ends_here(layer, rng):
    ids = rng.integers(1, 5, size=(BATCH, LENGTH))
    ids[0, -2:] = ids[1, 1] = 0
    embedded = keras.layers.Embedding(5, DIM, mask_zero=True)(ids)
    output = layer(embedded)
    near(output, layer(to_numpy(embedded), padding_mask=ids != 0))
    assert getattr(output, "_keras_mask", None) is None


def test_weights_make_the_output(layer, x, padding):
    padding[1] = False
    weights = to_numpy(layer.attention_weights(x, padding_mask=padding))
    assert weights.shape == (BATCH, layer.num_heads, 3, LENGTH)
    near(weights.sum(axis=-1)[[0, 2]], np.ones((2, layer.num_heads, 3)))
    _, values = layer.project_source(x, x)
    mixed = np.einsum("bhts,bshd->bthd", weights, to_numpy(values))
    near(layer.project_output(mixed, x), layer(x, padding_mask=padding))


def test_what_it_cannot_do_is_refused(case, layer, x):
    for arguments, message in (
        ({"use_causal_mask": True}, "causal"),
        ({"cache": {"key": x}}, "cache"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(x, **arguments)
    with pytest.raises(ValueError, match="cache"):
        layer.init_cache(BATCH, LENGTH)
    with pytest.raises(ValueError, match="rotation"):
        case.make(position="rotary")


def test_configurations_and_files(case, layer, x, tmp_path):
    for form in (
        layer,
        describe(layer),
        keras.saving.serialize_keras_object(layer),
    ):
        if isinstance(form, dict):
            form = json.loads(json.dumps(form))
        again = attention.get(form, num_heads=layer.num_heads)
        again.build(x.shape)
        again.set_weights(layer.get_weights())
        near(again(x), layer(x), 1e-6)
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(x), model(x), 1e-6)


def test_half_precision_stays_near_float32(case, layer, x):
    exact = layer
    for policy, error in (("mixed_bfloat16", 3e-2), ("mixed_float16", 4e-3)):
        layer = case.make(dtype=policy)
        layer.build(x.shape)
        layer.set_weights(exact.get_weights())
        expected = to_numpy(exact(x))
        difference = np.abs(to_numpy(layer(x)) - expected).max()
        assert difference < error * np.abs(expected).max()
        assert {v.dtype for v in layer.trainable_variables} == {"float32"}


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_and_eager_agree(layer, x, padding):
    call = compiled(lambda x: layer(x, padding_mask=padding))
    near(call(x), layer(x, padding_mask=padding))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(layer, x, padding):
    import tensorflow as tf

    call = tf.function(
        lambda x, mask: layer(x, padding_mask=mask),
        input_signature=[
            tf.TensorSpec([None, None, DIM]),
            tf.TensorSpec([None, None], "bool"),
        ],
    )
    near(call(x, padding), layer(x, padding_mask=padding))


def test_a_model_of_it_trains(case, x, rng):
    inputs = keras.Input((None, DIM))
    pooled = case.make(dropout=0.1)(inputs)
    model = keras.Model(inputs, pooled)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    target = rng.normal(size=model(x).shape)
    history = model.fit(x, target, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
@pytest.mark.usefixtures("quick_collection")
def test_lora_and_int8(case, rng, x):
    layer = case.layer(rng)
    before = to_numpy(layer(x))
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        dense = getattr(layer, name)
        dense.enable_lora(2)
        dense.lora_kernel_b.assign(rng.normal(size=dense.lora_kernel_b.shape))
        assert np.abs(to_numpy(layer(x)) - before).max() > 1e-3, name
    layer = case.layer(rng)
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs))
    expected = to_numpy(model(x))
    model.quantize("int8")
    error = np.abs(to_numpy(model(x)) - expected).max()
    assert 0 < error < 0.05 * np.abs(expected).max()
