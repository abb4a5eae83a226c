"""What Keras offers works on every flavour: LoRA, int8, jit, graphs, masks."""

import keras
import numpy as np
import pytest

from keras_attention.attention import Attention
from tests.contract.case import BATCH, DIM, LENGTH
from tests.tools import BACKEND, compiled, to_numpy

PROJECTIONS = ("query_dense", "key_dense", "value_dense", "output_dense")


def projections(layer):
    found = {p: getattr(layer, p, None) for p in PROJECTIONS}
    found = {name: dense for name, dense in found.items() if dense is not None}
    return found


def test_projections_carry_the_names_of_keras(layer):
    if not layer.weights:
        pytest.skip("has no weights")
    names = ["query", "key", "value", "attention_output"]
    known = dict(zip(PROJECTIONS, names, strict=True))
    assert projections(layer)
    for attribute, dense in projections(layer).items():
        assert dense.name == known[attribute]
        assert f"/{known[attribute]}/" in f"/{dense.kernel.path}/"


def test_lora_on_each_projection(case, layer, x, rng):
    if not layer.weights:
        pytest.skip("has no weights")
    layer = case.layer(rng)  # of its own, since it changes
    for name, dense in projections(layer).items():
        before = to_numpy(layer(x))
        dense.enable_lora(2)
        np.testing.assert_allclose(to_numpy(layer(x)), before, atol=1e-6)
        dense.lora_kernel_b.assign(rng.normal(size=dense.lora_kernel_b.shape))
        assert np.abs(to_numpy(layer(x)) - before).max() > 1e-3, name
        assert not dense._kernel.trainable


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras' own, and slow")
@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
@pytest.mark.usefixtures("quick_collection")
def test_int8_through_a_model(case, layer, rng, x):
    if not layer.weights:
        pytest.skip("has no weights")
    inputs = keras.Input((None, DIM))
    layer = case.layer(rng)
    model = keras.Model(inputs, layer(inputs))
    expected = to_numpy(model(x))
    model.quantize("int8")
    for dense in projections(layer).values():
        assert dense._kernel.dtype == "int8"
    error = np.abs(to_numpy(model(x)) - expected).max()
    assert 0 < error < 0.05 * np.abs(expected).max()


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_and_eager_agree(layer, x, source, rng):
    mask = rng.random((BATCH, LENGTH)) < 0.7
    calls = [((x,), {"padding_mask": mask})]
    if layer.supports_causal_mask:
        causal = {"padding_mask": mask, "use_causal_mask": True}
        calls.insert(0, ((x,), causal))
    if layer.supports_cross_attention:
        calls.append(((x, source), {}))
    if BACKEND == "jax":  # whose eager operations are programs as well
        calls = calls[:1]
    for inputs, arguments in calls:
        call = compiled(lambda *inputs, a=arguments: layer(*inputs, **a))
        np.testing.assert_allclose(
            to_numpy(call(*inputs)),
            to_numpy(layer(*inputs, **arguments)),
            atol=1e-5,
        )


@pytest.mark.autograph
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(layer, x, rng):
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, DIM]),
            tf.TensorSpec([None, None], "bool"),
        ]
    )
    def call(x, mask):
        outputs = [layer(x, padding_mask=mask)]
        if layer.supports_causal_mask:
            outputs.append(layer(x, padding_mask=mask, use_causal_mask=True))
        return outputs

    mask = rng.random((BATCH, LENGTH)) < 0.7
    for rows, length in ((BATCH, LENGTH), (1, 4)):
        piece, keep = x[:rows, :length], mask[:rows, :length]
        for output, causal in zip(call(piece, keep), (0, 1), strict=False):
            expected = layer(
                piece, padding_mask=keep, use_causal_mask=bool(causal)
            )
            np.testing.assert_allclose(
                to_numpy(output), to_numpy(expected), atol=1e-5
            )


def embedded(rng, length):
    """Vectors that carry Keras' implicit mask, and that mask."""
    ids = rng.integers(1, 5, size=(BATCH, length))
    ids[0, -2:] = ids[1, 1] = 0
    return keras.layers.Embedding(5, DIM, mask_zero=True)(ids), ids != 0


def test_an_implicit_mask_is_honoured(layer, x, rng):
    query, mask = embedded(rng, LENGTH)
    bare = to_numpy(query)
    expected = to_numpy(layer(bare, padding_mask=mask))
    assert np.abs(expected - to_numpy(layer(bare))).max() > 1e-3
    for output in (layer(query), layer(query, query), layer(query, key=query)):
        np.testing.assert_allclose(to_numpy(output), expected, atol=1e-6)


def test_an_explicit_mask_wins_over_an_implicit_one(layer, rng):
    query, _ = embedded(rng, LENGTH)
    mask = rng.random((BATCH, LENGTH)) < 0.5
    np.testing.assert_allclose(
        to_numpy(layer(query, padding_mask=mask)),
        to_numpy(layer(to_numpy(query), padding_mask=mask)),
        atol=1e-6,
    )


def test_the_implicit_mask_of_a_source_is_honoured(layer, x, rng):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")
    query, _ = embedded(rng, LENGTH)
    source, mask = embedded(rng, 5)
    bare = to_numpy(source)
    expected = to_numpy(layer(x, bare, padding_mask=mask))
    key = rng.normal(size=source.shape).astype("float32")
    for output in (
        layer(x, source),
        layer(to_numpy(query), source),
        layer(x, memory=layer.init_memory(source)),
    ):
        assert tuple(output.shape) == (BATCH, LENGTH, DIM)
    for output in (
        layer(x, source),
        layer(x, memory=layer.init_memory(source)),
    ):
        np.testing.assert_allclose(to_numpy(output), expected, atol=1e-6)
    # The mask of the query is none of the source's business.
    np.testing.assert_allclose(
        to_numpy(layer(query, bare)),
        to_numpy(layer(to_numpy(query), bare)),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        to_numpy(layer(x, source, key)),
        to_numpy(layer(x, bare, key, padding_mask=mask)),
        atol=1e-6,
    )


def test_an_implicit_mask_passes_through_a_model(layer, rng):
    ids = rng.integers(1, 5, size=(BATCH, LENGTH))
    ids[:, -2:] = 0
    table = keras.layers.Embedding(5, DIM, mask_zero=True)
    inputs = keras.Input((None,), dtype="int32")
    output = layer(table(inputs))
    pooled = keras.layers.GlobalAveragePooling1D()(output)
    model = keras.Model(inputs, [output, pooled])
    output, pooled = to_numpy(model(ids))
    expected = layer(to_numpy(table(ids)), padding_mask=ids != 0)
    np.testing.assert_allclose(output, to_numpy(expected), atol=1e-6)
    # The layer hands the query's mask on to the next one.
    np.testing.assert_allclose(pooled, output[:, :-2].mean(axis=1), atol=1e-6)


def test_dropout_acts_in_training_alone(case, x):
    layer = case.make(dropout=0.5)
    if "dropout" not in layer.get_config():
        pytest.skip("takes no dropout")
    first, second = layer(x, training=True), layer(x, training=True)
    assert np.abs(to_numpy(first) - to_numpy(second)).max() > 1e-4
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x)))
    bare = case.make()
    bare.build(x.shape)
    float_weights = [to_numpy(v) for v in layer.weights if "seed" not in v.path]
    bare.set_weights(float_weights)
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(bare(x)), atol=1e-6)


class Lengths(keras.utils.PyDataset):
    """Batches of two lengths, so that a graph knows none."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 2

    def __getitem__(self, index):
        x = self.x[:, 3 * index :]
        return x, 0.1 * x


def test_a_model_of_it_trains(case, rng, x):
    layer = case.make(dropout=0.1)
    causal = layer.supports_causal_mask
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, layer(inputs, use_causal_mask=causal))
    if not model.trainable_variables:
        pytest.skip("has no weights")
    model.compile(keras.optimizers.Adam(0.01), "mse")
    history = model.fit(Lengths(x), epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_weights_sum_to_one_and_make_the_output(case, layer, x, source, rng):
    if type(layer).compute_weights is Attention.compute_weights:
        with pytest.raises(ValueError, match="weights"):
            layer.attention_weights(x)
        return
    mask = rng.random((BATCH, LENGTH)) < 0.6
    mask[1] = False
    calls = [{}, {"padding_mask": mask}]
    if layer.supports_causal_mask:
        calls.append({"padding_mask": mask, "use_causal_mask": True})
    if layer.supports_attention_mask:
        dense = rng.random((BATCH, LENGTH, LENGTH)) < 0.4
        calls.append({"attention_mask": dense})
    if layer.supports_cross_attention:
        calls.append({"value": source})
        calls.append({"memory": layer.init_memory(source)})
    for arguments in calls:
        weights = to_numpy(layer.attention_weights(x, **arguments))
        keys = LENGTH if calls.index(arguments) < len(calls) - 2 else 5
        if not layer.supports_cross_attention:
            keys = LENGTH
        assert weights.shape == (BATCH, layer.num_heads, LENGTH, keys)
        if case.weights_sum_to_one:
            sums = weights.sum(axis=-1)
            np.testing.assert_allclose(sums, np.round(sums), atol=1e-5)
            assert sums.max() < 1.5 and weights.min() >= 0
        if "padding_mask" in arguments:
            assert np.all(weights[1] == 0)
        if not case.weights_make_output:
            continue
        value = arguments.get("value", x)
        _, values = layer.project_source(value, value)
        if "memory" in arguments:
            values = to_numpy(arguments["memory"]["value"]).swapaxes(1, 2)
        groups = layer.num_heads // values.shape[2]
        values = np.repeat(to_numpy(values), groups, axis=2)
        mixed = np.einsum("bhts,bshd->bthd", weights, values)
        np.testing.assert_allclose(
            to_numpy(layer.project_output(mixed, x)),
            to_numpy(layer(x, **arguments)),
            atol=1e-5,
        )


def test_weights_honour_implicit_masks_and_build(case, rng):
    layer = case.make()
    if type(layer).compute_weights is Attention.compute_weights:
        pytest.skip("has no weights")
    query, mask = embedded(rng, LENGTH)
    weights = to_numpy(layer.attention_weights(query))
    hidden = np.broadcast_to(~mask[:, None, None], weights.shape)
    assert np.all(weights[hidden] == 0) and layer.built
