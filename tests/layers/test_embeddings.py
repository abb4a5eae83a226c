"""Tokens and vectors on their way in, logits on their way out."""

import keras
import numpy as np
import pytest

from keras_attention import (
    Classifier,
    RecurrentEncoder,
    TokenEmbedding,
    TransformerEncoder,
    VectorEmbedding,
)
from keras_attention.layers import embeddings
from tests.tools import BACKEND, compiled, near, randomize, to_numpy


def test_vectors_are_scaled_rows_of_the_matrix(rng):
    layer = TokenEmbedding(11, 7)
    ids = rng.integers(0, 11, size=(2, 5))
    vectors = layer(ids)
    table = to_numpy(layer.embedding.embeddings)
    near(vectors, table[ids] * np.sqrt(7))
    bare = TokenEmbedding(11, 7, scale=False)
    bare.build()
    bare.set_weights([table])
    near(bare(ids), table[ids])


@pytest.mark.parametrize("scale", [True, False])
def test_vectors_of_others_come_out_as_they_are(scale, rng):
    vectors = rng.normal(size=(11, 7)).astype("float32")
    layer = TokenEmbedding(11, 7, scale=scale)
    layer.assign_vectors(vectors)
    ids = rng.integers(0, 11, size=(2, 5))
    near(layer(ids), vectors[ids])
    model = RecurrentEncoder(11, 1, 7)
    model(ids)
    model.embedding.assign_vectors(vectors)
    near(model.embedding(ids), vectors[ids])


def test_ids_with_fractions_are_refused_and_whole_floats_taken(rng):
    layer = TokenEmbedding(11, 7)
    near(layer(np.array([[3.0, 5.0]], "float32")), layer(np.array([[3, 5]])))
    for wrong in (2.5, -0.5, np.nan):
        with pytest.raises(ValueError, match="token_ids must be integers.*"):
            layer(np.array([[3.0, wrong]], "float32"))
    for model in (
        TransformerEncoder(11, 1, 8, 2),
        RecurrentEncoder(11, 1, 8),
        Classifier(TransformerEncoder(11, 1, 8, 2), 2),
    ):
        model(np.array([[3.0, 5.0]], "float32"))
        with pytest.raises(ValueError, match="must be integers.*2.5"):
            model(np.array([[3.0, 2.5]], "float32"))


def test_vectors_of_another_vocabulary_are_refused(rng):
    layer = TokenEmbedding(11, 7)
    with pytest.raises(ValueError, match=r"\(11, 7\). Received: \(7, 11\)"):
        layer.assign_vectors(rng.normal(size=(7, 11)))
    layer.build()
    layer.embedding.quantize("int8")
    adapted = TokenEmbedding(11, 7)
    adapted.build()
    adapted.embedding.enable_lora(2)
    for changed in (layer, adapted):
        with pytest.raises(ValueError, match="before quantize and enable_lora"):
            changed.assign_vectors(rng.normal(size=(11, 7)))


@pytest.mark.full
@pytest.mark.parametrize("kind", ["tokens", "vectors"])
def test_a_frozen_embedding_stays_frozen_when_saved(kind, rng, tmp_path):
    if kind == "tokens":
        inputs = rng.integers(1, 11, size=(3, 5))
        model = Classifier(TransformerEncoder(11, 1, 8, 2), 2)
    else:
        inputs = rng.normal(size=(3, 5, 4)).astype("float32")
        encoder = TransformerEncoder(None, 1, 8, 2, embedding="vectors")
        model = Classifier(encoder, 2)
    model(inputs)
    model.encoder.embedding.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(inputs, np.array([0, 1, 0]), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before = [to_numpy(x) for x in loaded.encoder.embedding.weights]
    names = [[x.path for x in m.trainable_weights] for m in (model, loaded)]
    assert len(names[0]) == len(names[1]) == len(model.weights) - len(before)
    assert int(loaded.optimizer.iterations) == 1
    loaded.fit(inputs, np.array([0, 1, 0]), verbose=0)
    for old, new in zip(before, loaded.encoder.embedding.weights, strict=True):
        assert (old == to_numpy(new)).all()


def test_vectors_start_with_variance_one():
    vectors = to_numpy(TokenEmbedding(499, 64)(np.arange(499)[None]))
    assert abs(vectors.std() - 1) < 0.03


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_products_with_rows(rng, tied):
    layer = TokenEmbedding(11, 7, tie_weights=tied)
    layer.build()
    hidden = rng.normal(size=(2, 3, 7)).astype("float32")
    assert len(layer.weights) == (1 if tied else 2)
    matrix = to_numpy(layer.weights[-1])
    expected = hidden @ (matrix.T if tied else matrix)
    near(layer(hidden, reverse=True), expected)
    near(layer(hidden[:, 0], reverse=True), expected[:, 0])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_repeated_token_trains_like_any_other(rng, jit_compile):
    # The first step of Adam moves every weight that has a gradient by the
    # rate, however often its token stands in the batch.
    model = keras.Sequential([TokenEmbedding(11, 7), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    ids = np.array([[3, 3, 3, 3, 5]])
    model(ids)
    table = model.layers[0].embedding.embeddings
    before = to_numpy(table)
    model.train_on_batch(ids, rng.normal(size=(1, 5, 1)).astype("float32"))
    moved = np.abs(to_numpy(table) - before)
    near(moved[[3, 5]], np.full((2, 7), 0.01), 1e-4)
    near(moved[[0, 4, 10]], np.zeros((3, 7)), 0)


def test_a_soft_cap_bends_logits(rng):
    layer = TokenEmbedding(11, 7, logit_soft_cap=2.0)
    layer.build()
    hidden = 9 * rng.normal(size=(2, 3, 7)).astype("float32")
    logits = hidden @ to_numpy(layer.weights[0]).T
    near(layer(hidden, reverse=True), 2 * np.tanh(logits / 2))


def test_padding_is_where_the_padding_id_is():
    ids = np.array([[0, 3, 5], [5, 0, 0]])
    for padding_id in (0, 5):
        layer = TokenEmbedding(11, 7, padding_id=padding_id)
        mask = to_numpy(layer.padding_mask(ids))
        np.testing.assert_array_equal(mask, ids != padding_id)
    assert VectorEmbedding(7).padding_mask(np.ones((2, 3, 5))) is None


@pytest.mark.parametrize("wrong", [-1, 11, 2**31 - 1])
def test_ids_outside_the_vocabulary_are_refused(wrong):
    layer = TokenEmbedding(11, 7)
    with pytest.raises(ValueError, match=rf"vocabulary_size=11.*{wrong}"):
        layer(np.array([[1, wrong, 0]]))
    assert tuple(layer(np.array([[0, 10]])).shape) == (1, 2, 7)
    assert tuple(layer(np.zeros((2, 0), "int32")).shape) == (2, 0, 7)


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_it_is_the_same(rng):
    layer = TokenEmbedding(11, 7)
    layer.build()
    ids = rng.integers(0, 11, size=(2, 5))
    near(compiled(layer)(ids), layer(ids))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_logits_have_the_compute_dtype(policy):
    layer = TokenEmbedding(11, 8, dtype=policy)
    layer.build()
    hidden = keras.ops.ones((2, 3, 8), dtype=layer.compute_dtype)
    logits = layer(hidden, reverse=True)
    dtype = keras.backend.standardize_dtype(logits.dtype)
    assert dtype == layer.compute_dtype
    near(logits, np.ones((2, 3, 8)) @ to_numpy(layer.weights[0]).T, atol=0.05)


def test_configs_make_the_same_layers():
    for layer in (
        TokenEmbedding(11, 7, tie_weights=False, scale=False, padding_id=3),
        VectorEmbedding(7, dim=5),
    ):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_a_vector_embedding_remembers_the_width_it_was_built_with(rng):
    layer = VectorEmbedding(7)
    layer(rng.normal(size=(2, 3, 5)).astype("float32"))
    assert layer.get_config()["dim"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 0, "hidden_dim": 7}, "vocabulary_size.*0"),
        ({"vocabulary_size": 7, "hidden_dim": 0.5}, "hidden_dim.*0.5"),
        ({"vocabulary_size": "7", "hidden_dim": 5}, "vocabulary_size.*7"),
    ],
)
def test_sizes_must_be_positive_integers(arguments, message):
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(**arguments)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="no_such.*tokens.*vectors"):
        embeddings.get("no_such")


def test_ids_that_half_precision_has_rounded_are_refused():
    layer = TokenEmbedding(400, 7, dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match='dtype="int32"'):
        layer(np.array([[300.0, 301.0]], "float32"))


def test_without_a_padding_id_every_token_counts():
    layer = TokenEmbedding(11, 7, padding_id=None)
    assert layer.padding_mask(np.array([[0, 3]])) is None


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
@pytest.mark.usefixtures("quick_collection")
def test_a_quantized_table_trains_as_it_predicts(rng):
    model = TransformerEncoder(11, 1, 8, 2, dropout=0.0)
    ids = rng.integers(1, 11, size=(2, 5))
    model.quantize("int8")
    near(model(ids, training=True), model(ids))


def test_every_option_has_its_place(rng):
    layer = TokenEmbedding(
        11,
        7,
        scale=2.5,
        embedding_dim=5,
        num_segments=3,
        logit_bias=True,
        logit_scale=0.3,
        logit_soft_cap=2.0,
    )
    layer.build()
    randomize(layer, rng)
    ids, kinds = rng.integers(0, 11, (2, 4)), rng.integers(0, 3, (2, 4))
    table = to_numpy(layer.embedding.embeddings)
    segments, bias = to_numpy(layer.segments), to_numpy(layer.bias)
    up = to_numpy(layer.input_projection.kernel)
    down = to_numpy(layer.output_projection.kernel)
    near(layer(ids, segment_ids=kinds), 2.5 * table[ids] @ up + segments[kinds])
    near(layer(ids), 2.5 * table[ids] @ up + segments[0])
    hidden = rng.normal(size=(2, 4, 7)).astype("float32")
    logits = 0.3 * (hidden @ down @ table.T) + bias
    near(layer(hidden, reverse=True), 2.0 * np.tanh(logits / 2.0))
    again = TokenEmbedding.from_config(layer.get_config())
    again.build()
    again.set_weights(layer.get_weights())
    near(again(ids), layer(ids), atol=0, rtol=0)


def test_kinds_of_tokens_are_checked(rng):
    ids = rng.integers(0, 11, (2, 4))
    with pytest.raises(ValueError, match="segment_ids.*num_segments=2.*to 2"):
        TokenEmbedding(11, 7, num_segments=2)(ids, segment_ids=[[0, 2, 1, 1]])
    with pytest.raises(ValueError, match="segment_ids need.*num_segments"):
        TokenEmbedding(11, 7)(ids, segment_ids=ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "yes"}, "scale must be.*'yes'"),
        ({"scale": 0.0}, "scale must be.*0.0"),
        ({"num_segments": 0}, "num_segments must be.*0"),
        ({"embedding_dim": 2.5}, "embedding_dim must be.*2.5"),
        ({"logit_scale": -1.0}, "logit_scale must be.*-1.0"),
        ({"logit_bias": 1}, "logit_bias must be True or False"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(11, 7, **options)


def test_vectors_of_others_need_the_plain_embedding():
    for options in ({"embedding_dim": 5}, {"num_segments": 2}):
        with pytest.raises(ValueError, match="does not give vectors as they"):
            TokenEmbedding(11, 7, **options).assign_vectors(np.ones((11, 7)))
