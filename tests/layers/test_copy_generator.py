"""Copying against its definition in float64; the logarithms stay finite."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import CopyGenerator
from tests.attention.exact import context
from tests.tools import compiled, gradients, near, randomize, to_numpy

BATCH, LENGTH, SOURCE_LENGTH, DIM, VOCABULARY = 3, 5, 7, 6, 11


def expected(layer, hidden, inputs, logits, source, ids, mask):
    """Probabilities, token by token."""
    gates = [layer.hidden_gate, layer.input_gate, layer.source_gate]
    w_h, w_x, w_c = (to_numpy(gate.kernel)[:, 0] for gate in gates)
    bias = to_numpy(layer.hidden_gate.bias)[0]
    pointer = layer.pointer
    queries = context.project(pointer.query_dense, hidden, 1)[:, :, 0]
    keys = context.project(pointer.key_dense, source, 1)[:, :, 0]
    scores = np.tanh(queries[:, :, None] + keys[:, None])
    scores = scores @ to_numpy(pointer.score_vector)[0].astype("float64")
    weights = context.softmax(scores, mask[:, None])
    p = np.zeros((BATCH, LENGTH, logits.shape[-1] + layer.num_extra))
    for b, t in np.ndindex(BATCH, LENGTH):
        c = weights[b, t] @ source[b].astype("float64")
        gate = w_c @ c + w_h @ hidden[b, t] + w_x @ inputs[b, t] + bias
        generate = 1 / (1 + np.exp(-gate)) if mask[b].any() else 1.0
        raised = np.exp(logits[b, t].astype("float64") - logits[b, t].max())
        p[b, t, : len(raised)] = generate * raised / raised.sum()
        for s in np.flatnonzero(mask[b]):
            p[b, t, ids[b, s]] += (1 - generate) * weights[b, t, s]
    return p


def make(rng, **options):
    layer = CopyGenerator(**options)
    shape = (None, None, DIM)
    layer.build(shape, (None, None, 4), None, (None, None, 9))
    return randomize(layer, rng, 0.5)


def draw(rng, num_extra=0):
    """The arguments of a call; the last row has no source, one its padding."""
    draw = lambda *shape: rng.normal(size=(BATCH, *shape)).astype("float32")
    ids = rng.integers(0, VOCABULARY + num_extra, (BATCH, SOURCE_LENGTH))
    ids[0, :3] = 4  # a token that occurs several times
    mask = np.ones((BATCH, SOURCE_LENGTH), bool)
    mask[1, -2:] = mask[2] = False
    return {
        "hidden": draw(LENGTH, DIM),
        "inputs": draw(LENGTH, 4),
        "logits": 3 * draw(LENGTH, VOCABULARY),
        "source": draw(SOURCE_LENGTH, 9),
        "source_ids": ids,
        "padding_mask": mask,
    }


@pytest.mark.parametrize("num_extra", [0, 2])
def test_the_definition(rng, num_extra):
    layer = make(rng, num_extra=num_extra, hidden_dim=3)
    given = draw(rng, num_extra)
    p = expected(layer, *given.values())
    near(p.sum(axis=-1), 1.0)
    found = to_numpy(layer(**given))
    near(np.exp(found), p)
    near(found[p > 0], np.log(p[p > 0]))
    assert (found[p == 0] == -1e9).all()
    near(ops.softmax(found), p)
    parts = [given.pop(n) for n in ("source", "source_ids", "padding_mask")]
    near(layer(**given, memory=layer.init_memory(*parts)), found)
    near(compiled(layer)(*given.values(), *parts), found)


@pytest.mark.parametrize("shape", [(0, 5, 7), (3, 0, 7), (3, 5, 0)])
def test_nothing_gives_nothing(rng, shape):
    batch, length, source_length = shape
    given = draw(rng)
    for name in ("hidden", "inputs", "logits"):
        given[name] = given[name][:batch, :length]
    for name in ("source", "source_ids", "padding_mask"):
        given[name] = given[name][:batch, :source_length]
    found = to_numpy(make(rng)(**given))
    assert found.shape == (batch, length, VOCABULARY)
    logits = given["logits"].astype("float64")
    if not source_length:
        total = np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        near(found, logits - total)


def test_padding_is_never_copied(rng):
    layer = make(rng)
    given = draw(rng)
    expected = to_numpy(layer(**given))
    hidden = ~given["padding_mask"]
    given["source"][hidden] = 100.0
    given["source_ids"][hidden] = 9
    np.testing.assert_array_equal(to_numpy(layer(**given)), expected)


def test_an_implicit_mask_is_honoured(rng):
    layer = make(rng)
    given = draw(rng)
    ids = np.array([[1, 2, 3, 4, 3, 0, 0]] * BATCH)
    source = keras.layers.Embedding(VOCABULARY, 9, mask_zero=True)(ids)
    given = {**given, "source_ids": ids, "padding_mask": None}
    bare = {**given, "source": to_numpy(source), "padding_mask": ids != 0}
    near(layer(**{**given, "source": source}), layer(**bare))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "float16"])
def test_extremes_stay_finite(rng, dtype):
    layer = make(rng, dtype=dtype)
    given = draw(rng)
    given["logits"][0, 0] = [6e4] + [-6e4] * (VOCABULARY - 1)
    given["hidden"][1] *= 1e3  # gates that are shut
    given["hidden"][0, 1] *= -1e3
    given["source"][0, 1:] *= 1e3  # all of the attention at one place

    def loss(hidden, inputs, logits, source):
        found = layer(
            hidden,
            inputs,
            logits,
            source,
            given["source_ids"],
            given["padding_mask"],
        )
        return ops.mean(found), found

    inputs = [
        ops.cast(ops.convert_to_tensor(given[name]), layer.compute_dtype)
        for name in ("hidden", "inputs", "logits", "source")
    ]
    found = loss(*inputs)[1]
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.isfinite(to_numpy(found)).all() and to_numpy(found).max() < 1e-3
    _, slopes = gradients(lambda *x: loss(*x)[0], *inputs, layer=layer)
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_half_precision_stays_near_float32(rng):
    exact = make(rng)
    given = draw(rng)
    for dtype, digits in (("mixed_float16", 1e-2), ("mixed_bfloat16", 8e-2)):
        half = make(rng, dtype=dtype)
        half.set_weights(exact.get_weights())
        near(half(**given), to_numpy(exact(**given)), digits, digits)


def test_every_weight_takes_part_in_the_gradient(rng):
    layer = make(rng)
    given = draw(rng)
    target = rng.integers(0, VOCABULARY, (BATCH, LENGTH))
    target[0] = 4

    def loss(hidden):
        found = layer(**{**given, "hidden": hidden})
        losses = keras.losses.sparse_categorical_crossentropy(
            target, found, from_logits=True
        )
        return ops.sum(losses)

    value, found = gradients(loss, given["hidden"], layer=layer)
    p = expected(layer, *given.values())
    picked = np.take_along_axis(p, target[..., None], axis=-1)
    near(value, -np.log(picked).sum())
    assert all(np.abs(gradient).max() > 1e-6 for gradient in found)


@pytest.mark.full
def test_it_learns_to_copy(rng):
    source_ids = rng.integers(1, 29, size=(64, 4))
    layer = CopyGenerator(16)
    ids = keras.Input((4,), dtype="int32")
    source = keras.Input((4, 8))
    queries = keras.Input((4, 8))
    logits = keras.layers.Dense(8)(queries)
    output = layer(queries, queries, logits, source, ids)
    model = keras.Model([ids, source, queries], output)
    assert tuple(model.output.shape) == (None, 4, 8)
    places = np.tile(np.eye(4, 8, dtype="float32"), (64, 1, 1))
    source_ids = source_ids % 8
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(
        [source_ids, places, places], source_ids[:, ::-1], epochs=30, verbose=0
    )
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]


def test_config_and_keras_file_give_the_same_layer(rng, tmp_path):
    layer = make(rng, hidden_dim=5, num_extra=2)
    assert layer.get_config()["num_extra"] == 2
    shapes = [(None, DIM), (None, 4), (None, VOCABULARY), (None, 9)]
    inputs = [keras.Input(shape) for shape in shapes]
    inputs.append(keras.Input((None,), dtype="int32"))
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    given = list(draw(rng, 2).values())[:-1]
    given[-1] = given[-1].astype("int32")
    near(again(given), model(given), 1e-7)


def test_wrong_arguments_are_refused(rng):
    layer, given = make(rng), draw(rng)
    memory = layer.init_memory(given["source"], given["source_ids"])
    for wrong in (
        {**given, "source_ids": None},
        {**given, "source": None},
        {**given, "memory": memory},
    ):
        with pytest.raises(ValueError, match="or memory in their place"):
            layer(**wrong)
    for name in ("source", "source_ids"):
        given.pop(name)
    with pytest.raises(ValueError, match="has the padding mask already"):
        layer(**given, memory=memory)
    given = draw(rng)
    fractions = given["source_ids"] + np.float32(0.5)
    with pytest.raises(ValueError, match="source_ids must be integers"):
        layer(**{**given, "source_ids": fractions})
    given["source_ids"][0, 1] = VOCABULARY
    with pytest.raises(ValueError, match="source_ids must lie in.*11"):
        layer(**{n: ops.convert_to_tensor(x) for n, x in given.items()})
    for options in ({"num_extra": -1}, {"hidden_dim": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            CopyGenerator(**options)
