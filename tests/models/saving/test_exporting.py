"""Models that are exported without a signature."""

import keras
import numpy as np
import pytest

from keras_attention import (
    Classifier,
    ImageConvolutionEncoder,
    PatchEmbedding,
    RecurrentDecoder,
    RecurrentEncoder,
    TransformerEncoder,
    VectorEmbedding,
)
from tests.models import small
from tests.models.saving.exported import exported
from tests.tools import BACKEND, few, near, randomize, to_numpy

SHAPES = [(3, 7), (1, 1), (2, 33)]
ON_TENSORFLOW = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="TensorFlow's graph"
)
ON_TORCH = pytest.mark.skipif(BACKEND != "torch", reason="torch's graph")
pytestmark = [
    # Those of converters, about their own use of others.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning"),
]
ONE_LAYER = {"num_layers": 1}


def token_ids(rng, batch_size, length):
    tokens = rng.integers(1, small.VOCABULARY, (batch_size, length))
    tokens[1:, -2:] = 0
    return tokens.astype("int32")


def source_and_target(rng, batch_size, length):
    return {
        "source_ids": token_ids(rng, batch_size, length + 2),
        "target_ids": token_ids(rng, batch_size, length),
    }


def memory_and_tokens(rng, batch_size, length):
    shape = (batch_size, length + 2, small.DIM)
    return {
        "memory": rng.normal(size=shape).astype("float32"),
        "token_ids": token_ids(rng, batch_size, length),
    }


def plain(rng):
    return small.encoder(rng, **ONE_LAYER), token_ids


def modern(rng):
    model = small.decoder(
        rng,
        normalization="rms_norm",
        feed_forward="geglu",
        position="rotary",
        **{**ONE_LAYER, "hidden_dim": 18},
    )
    return model, token_ids


def crossing(rng):
    model = small.decoder(rng, cross_attention="multi_head", **ONE_LAYER)
    return model, memory_and_tokens


def translating(rng):
    return small.encoder_decoder(rng, **ONE_LAYER), source_and_target


def classifying(rng):
    encoder = small.encoder(rng, **ONE_LAYER)
    return randomize(Classifier(encoder, 5), rng), token_ids


def check(model, run, draw, rng):
    for shape in SHAPES:
        inputs = draw(rng, *shape)
        near(run(inputs), model(inputs, training=False))


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no SavedModel there")
@pytest.mark.parametrize(
    "make", few([plain, crossing, translating, classifying])
)
def test_a_saved_model_agrees_at_every_length(rng, tmp_path, make):
    pytest.importorskip("tensorflow")
    model, draw = make(rng)
    check(model, exported(model, tmp_path, "tf_saved_model"), draw, rng)


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "jax", reason="Keras needs jax2onnx there")
@pytest.mark.parametrize("make", few([plain, modern, translating, classifying]))
def test_onnx_agrees_at_every_length(rng, tmp_path, make):
    for package in {"tensorflow": ["tf2onnx"], "torch": ["onnxscript"]}[
        BACKEND
    ]:
        pytest.importorskip(package, reason="converts to ONNX")
    model, draw = make(rng)
    check(model, exported(model, tmp_path, "onnx"), draw, rng)


@pytest.mark.full
@ON_TENSORFLOW
@pytest.mark.parametrize("make", few([plain, translating, classifying]))
def test_litert_agrees_at_every_length(rng, tmp_path, make):
    model, draw = make(rng)
    check(model, exported(model, tmp_path, "litert"), draw, rng)


@pytest.mark.skipif(BACKEND == "jax", reason="TensorFlow's and torch's graph")
@pytest.mark.parametrize("make", few([plain, modern], 0))
def test_openvino_agrees_at_every_length(rng, tmp_path, make):
    model, draw = make(rng)
    check(model, exported(model, tmp_path, "openvino"), draw, rng)


@pytest.mark.full
@ON_TENSORFLOW
def test_states_of_an_encoder_come_out_by_name(rng, tmp_path):
    model = randomize(RecurrentEncoder(23, 2, 6, cell="lstm"), rng)
    run = exported(model, tmp_path, "tf_saved_model")
    tokens = token_ids(rng, 3, 7)
    found, expected = run(tokens), to_numpy(model(tokens))
    near(found.pop("hidden"), expected["hidden"])
    assert len(found) == 4
    for name, value in found.items():
        layer, state = name.removeprefix("state_").rsplit("_", 1)
        near(value, expected["state"][layer][state])


@pytest.mark.slow
@ON_TENSORFLOW
def test_a_recurrent_decoder_takes_what_its_encoder_gives(rng, tmp_path):
    encoder = randomize(RecurrentEncoder(23, 1, 6), rng)
    decoder = RecurrentDecoder(23, 1, 6, memory_dim=12, state_dim=6)
    run = exported(randomize(decoder, rng), tmp_path, "tf_saved_model")
    memory = to_numpy(encoder(token_ids(rng, 3, 9)))
    inputs = {"memory": memory, "token_ids": token_ids(rng, 3, 7)}
    near(run(inputs), decoder(inputs))


@pytest.mark.slow
@ON_TENSORFLOW
@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageConvolutionEncoder((4,), channels=1),
        lambda: TransformerEncoder(
            **{**small.SIZES, "num_layers": 1},
            embedding=PatchEmbedding(4, small.DIM, 1),
        ),
    ],
)
def test_images_may_have_any_size(rng, tmp_path, make):
    model = randomize(Classifier(make(), 3), rng)
    run = exported(model, tmp_path, "tf_saved_model")
    for shape in ((2, 8, 12, 1), (1, 16, 4, 1)):
        images = rng.normal(size=shape).astype("float32")
        near(run(images), model(images))


@pytest.mark.full
@ON_TENSORFLOW
def test_a_signature_that_is_given_wins(rng, tmp_path):
    spec = keras.InputSpec(shape=(None, 7), dtype="int32", name="words")
    model, _ = plain(rng)
    exported(model, tmp_path, "tf_saved_model", input_signature=[spec])
    import tensorflow as tf

    loaded = tf.saved_model.load(tmp_path / "exported")
    inputs = loaded.signatures["serve"].structured_input_signature[1]
    assert {name: x.shape.as_list() for name, x in inputs.items()} == {
        "words": [None, 7]
    }


def test_an_input_of_unknown_width_is_asked_for(tmp_path):
    model = TransformerEncoder(
        **small.SIZES, embedding=VectorEmbedding(small.DIM)
    )
    with pytest.raises(ValueError, match="VectorEmbedding.*input_signature"):
        model.export(tmp_path / "exported")


@ON_TORCH
@pytest.mark.parametrize(
    ("make", "format"),
    [
        (lambda: RecurrentEncoder(23, 1, 6), "onnx"),
        (lambda: Classifier(ImageConvolutionEncoder((4,)), 3), "openvino"),
        (lambda: TransformerEncoder(**small.SIZES), "torch"),
        (
            lambda: TransformerEncoder(**small.SIZES, attention="bigbird"),
            "onnx",
        ),
    ],
)
def test_what_torch_would_bind_to_one_length_is_refused(tmp_path, make, format):
    path = tmp_path / "exported.xml"
    with pytest.raises(ValueError, match="On torch|that torch traces"):
        make().export(path, format=format, verbose=False)
    assert not path.exists()


@pytest.mark.slow
@ON_TORCH
def test_fixed_lengths_let_torch_export_a_window(rng, tmp_path):
    model = small.encoder(rng, attention="sliding_window", **ONE_LAYER)
    spec = keras.InputSpec(shape=(None, 37), dtype="int32")
    run = exported(model, tmp_path, "openvino", input_signature=[spec])
    for batch_size in (1, 3):
        tokens = token_ids(rng, batch_size, 37)
        near(run(tokens), np.asarray(to_numpy(model(tokens))))
