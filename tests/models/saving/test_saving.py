"""Models as folders and files, whole or not at all."""

import json
import shutil

import keras
import numpy as np
import pytest
from keras.quantizers import Int4QuantizationConfig, Int8QuantizationConfig

from keras_attention import (
    Classifier,
    EncoderDecoder,
    FeedForward,
    LearnedEncoding,
    MultiHeadAttention,
    RotaryEmbedding,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.zoo.core.safetensors import list_tensors
from tests.models import small
from tests.tools import near, run_python, to_numpy

FILES = ["README.md", "config.json", "model.safetensors"]
PARTS = {
    "names": {
        "position": "rotary",
        "feed_forward": "swiglu",
        "normalization": "rms_norm",
        "residual": "post_norm",
    },
    "templates": {
        "attention": [
            MultiHeadAttention(3, num_kv_heads=1, query_block_size=None),
            MultiHeadAttention(3, 8, dtype="float32"),
        ],
        "position": RotaryEmbedding(base=77.0, fraction=0.5),
        "feed_forward": FeedForward(5, "geglu", use_bias=False),
        "normalization": keras.layers.LayerNormalization(epsilon=0.1),
        "dropout": 0.0,
    },
    "parts of Keras": {
        "attention": MultiHeadAttention(3, kernel_initializer="orthogonal"),
        "position": LearnedEncoding(29, offset=2),
        "feed_forward": keras.layers.Dense(small.DIM, activation="tanh"),
        "normalization": keras.layers.UnitNormalization(),
    },
    "an embedding": {
        "embedding": TokenEmbedding(
            small.VOCABULARY, small.DIM, scale=False, padding_id=3
        )
    },
    "precision": {"dtype": "mixed_bfloat16"},
}


def with_parts(name):
    """New layers each time where a layer is used as it is."""
    parts = dict(PARTS[name])
    if "embedding" in parts:
        config = parts["embedding"].get_config()
        parts["embedding"] = TokenEmbedding.from_config(config)
    return parts


@pytest.fixture(params=PARTS)
def parts(request):
    return with_parts(request.param)


@pytest.mark.few
def test_a_configuration_is_json_and_makes_the_same_model(rng, parts):
    model = small.encoder(rng, **parts)
    config = json.loads(json.dumps(model.get_config()))
    again = TransformerEncoder.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(model.get_weights())
    tokens = small.ids(rng)
    near(again(tokens), model(tokens), 0)
    for one, other in zip(again.blocks, model.blocks, strict=True):
        assert (
            one.attention.query_block_size == other.attention.query_block_size
        )
        assert one.attention.dtype_policy == other.attention.dtype_policy


@pytest.mark.few
def test_a_file_and_a_folder_give_back_the_same(rng, parts, tmp_path):
    model = small.decoder(rng, **parts)
    tokens = small.ids(rng)
    expected = to_numpy(model.logits(model(tokens)))
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for again in (
        TransformerDecoder.from_preset(tmp_path / "preset"),
        TransformerDecoder.from_preset(str(tmp_path / "preset")),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        near(again.logits(again(tokens)), expected, 0)
        assert again.count_params() == model.count_params()


FRESH = """
import pathlib, sys, keras, numpy as np, keras_attention
folder = pathlib.Path(sys.argv[1])
inputs = dict(np.load(folder / "inputs.npz"))
outputs = {}
for path in folder.iterdir():
    if path.is_dir():
        model = keras_attention.EncoderDecoder.from_preset(path)
    elif path.suffix == ".keras":
        model = keras.saving.load_model(path)
    else:
        continue
    logits = keras.ops.cast(model(inputs), "float32")
    outputs[path.name] = keras.ops.convert_to_numpy(logits)
np.savez(folder / "outputs.npz", **outputs)
"""


@pytest.mark.full
def test_files_and_folders_in_a_fresh_process(rng, tmp_path):
    inputs, expected = small.pairs(rng), {}
    np.savez(tmp_path / "inputs.npz", **inputs)
    for index, name in enumerate(PARTS):
        for shared in (True, False):
            if name == "an embedding" and shared:
                continue
            parts = with_parts(name)
            model = small.encoder_decoder(rng, shared, **parts)
            stem = f"{index}_{shared}"
            model.save_to_preset(tmp_path / stem)
            model.save(tmp_path / f"{stem}.keras")
            for file in (stem, f"{stem}.keras"):
                expected[file] = to_numpy(model(inputs))
    run_python(FRESH, tmp_path)
    found = np.load(tmp_path / "outputs.npz")
    assert set(found) == set(expected)
    for name, logits in expected.items():
        near(found[name], logits, 1e-5)


@pytest.mark.full
def test_vectors_of_the_callers_own_keep_their_projection(rng, tmp_path):
    model = small.encoder(rng, embedding="vectors")
    x = rng.normal(size=(2, 7, 5)).astype("float32")
    expected = to_numpy(model(x))
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    near(TransformerEncoder.from_preset(tmp_path / "preset")(x), expected, 0)
    near(keras.saving.load_model(tmp_path / "model.keras")(x), expected, 0)


@pytest.mark.full
def test_a_shared_embedding_stays_shared(rng, tmp_path):
    for shared in (True, False):
        model = small.encoder_decoder(rng, shared)
        model.save_to_preset(tmp_path)
        again = EncoderDecoder.from_preset(tmp_path)
        assert (again.encoder.embedding is again.decoder.embedding) == shared
        assert len(again.weights) == len(model.weights)


@pytest.mark.full
def test_saving_again_replaces_the_model_and_leaves_nothing_else(rng, tmp_path):
    tokens = small.ids(rng)
    for layers in (1, 2):
        model = small.encoder(rng, num_layers=layers)
        model.save_to_preset(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == FILES
        again = TransformerEncoder.from_preset(tmp_path)
        near(again(tokens), model(tokens), 0)


@pytest.mark.full
def test_a_compiled_and_trained_model_saves_too(rng, tmp_path):
    model = small.encoder(rng, num_layers=1)
    model.compile("adam", "mse")
    tokens = small.ids(rng)
    model.fit(tokens, np.zeros((3, 7, small.DIM)), verbose=0)
    model.save_to_preset(tmp_path)
    near(TransformerEncoder.from_preset(tmp_path)(tokens), model(tokens), 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    stored = list_tensors(tmp_path / "model.safetensors")
    assert len(stored) == len(model.weights)  # without the optimizer


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of an encoder, to be copied."""
    folder = tmp_path_factory.mktemp("written")
    small.encoder(np.random.default_rng(7)).save_to_preset(folder)
    return folder


@pytest.fixture
def preset(written, tmp_path):
    return shutil.copytree(written, tmp_path / "preset")


def edit(folder, change):
    path = folder / "config.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(change(description)))


def with_config(**entries):
    def change(description):
        return {
            **description,
            "config": {**description["config"], **entries},
        }

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [],
        lambda d: "text",
        lambda d: {},
        lambda d: {**d, "class_name": "NoSuch", "registered_name": "NoSuch"},
        lambda d: {k: v for k, v in d.items() if k != "config"},
        lambda d: {**d, "config": {}},
        with_config(no_such=3),
        with_config(num_heads=5),
        with_config(num_layers="two"),
        with_config(attention={"class_name": "x>NoSuch", "config": {}}),
        with_config(num_layers=1),
        with_config(num_layers=3),
        with_config(intermediate_dim=16),
        with_config(vocabulary_size=9, embedding="tokens"),
    ],
)
def test_another_configuration_is_refused(preset, change):
    edit(preset, change)
    with pytest.raises(ValueError):
        TransformerEncoder.from_preset(preset)


@pytest.mark.parametrize(
    "change",
    [
        {"num_layers": True},
        {"num_heads": "2"},
        {"dropout": "0.1"},
        {"dropout": None},
        {"attention": {"class_name": "multi_head", "config": 3}},
        {"embedding": {"class_name": "tokens", "config": {"scale": "no"}}},
    ],
    ids=str,
)
def test_a_wrong_type_in_a_configuration_is_named(preset, change):
    edit(preset, with_config(**change))
    path = preset / "config.json"
    with pytest.raises(ValueError) as caught:
        TransformerEncoder.from_preset(preset)
    message = str(caught.value)
    assert message.startswith(f"{path} describes no model that can be made: ")
    name = "scale" if "embedding" in change else next(iter(change))
    if name != "attention":
        assert f"{name} must " in message
    assert "\n" not in message and len(message) < 600


def test_infinity_in_a_configuration_comes_back(tmp_path):
    infinite = keras.initializers.Constant(float("inf"))
    attention = MultiHeadAttention(3, kernel_initializer=infinite)
    TransformerEncoder(23, 1, 12, 3, attention=attention).save_to_preset(
        tmp_path
    )
    again = TransformerEncoder.from_preset(tmp_path)
    assert again.blocks[0].attention.kernel_initializer.value == float("inf")


@pytest.mark.parametrize("levels", [60, 300, 100_000])
@pytest.mark.parametrize("start", ["[", '{"class_name": "Dense", "config": '])
def test_a_deeply_nested_configuration_is_refused(tmp_path, start, levels):
    path = tmp_path / "config.json"
    end = {"[": "]", "{": "}"}[start[0]]
    path.write_text(start * levels + "1" + end * levels)
    with pytest.raises(ValueError) as caught:
        TransformerEncoder.from_preset(tmp_path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


def test_keras_running_out_of_stack_is_told_in_one_line(
    rng, tmp_path, monkeypatch
):
    small.encoder(rng).save_to_preset(tmp_path)
    for error in (RecursionError("maximum recursion depth"), MemoryError()):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(keras.saving, "deserialize_keras_object", fail)
        with pytest.raises(ValueError, match="no model that can be made: M|m"):
            TransformerEncoder.from_preset(tmp_path)


def truncate(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: truncate(path, 0.0),
        lambda path: truncate(path, 0.5),
        lambda path: truncate(path, 0.999),
        lambda path: path.write_bytes(b"PK\x03\x04 not weights"),
        lambda path: path.unlink(),
    ],
)
def test_damaged_weights_are_refused(preset, damage):
    damage(preset / "model.safetensors")
    with pytest.raises(ValueError, match="weights"):
        TransformerEncoder.from_preset(preset)


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/config.json").write_text("{")
    for path in (tmp_path / n for n in ("missing", "file", "torn", "")):
        if path.name == "file":
            path.write_text("text")
        with pytest.raises(ValueError, match=str(path)):
            TransformerEncoder.from_preset(path)


QUANTIZED = {
    "all": {"mode": "int8"},
    "weights alone": {
        "config": Int8QuantizationConfig(activation_quantizer=None)
    },
    "blocks of four bits": {"config": Int4QuantizationConfig(block_size=4)},
    "some": {"mode": "int8", "filters": "logits|query|embedding"},
    "others": {"mode": "int8", "filters": lambda x: x.name != "logits"},
}


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
@pytest.mark.usefixtures("quick_collection")
@pytest.mark.parametrize("options", QUANTIZED.values(), ids=QUANTIZED)
def test_a_quantized_model_comes_back(options, rng, tmp_path):
    model = Classifier(small.encoder(rng), 3, hidden_dim=5)
    model.quantize(**options)
    check_comes_back(model, small.ids(rng), tmp_path)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
@pytest.mark.usefixtures("quick_collection")
def test_parts_are_quantized_in_ways_of_their_own(rng, tmp_path):
    model = small.encoder_decoder(rng, shared=False)
    model.encoder.quantize("int8")
    check_comes_back(model, small.pairs(rng), tmp_path / "one")
    model.decoder.quantize("int4")
    check_comes_back(model, small.pairs(rng), tmp_path / "both")


def check_comes_back(model, inputs, folder):
    model.save_to_preset(folder / "preset")
    model.save(folder / "model.keras")
    expected = to_numpy(model(inputs))
    for again in (
        type(model).from_preset(folder / "preset"),
        keras.saving.load_model(folder / "model.keras"),
    ):
        assert [x.dtype for x in again.weights] == [
            x.dtype for x in model.weights
        ]
        near(again(inputs), expected)
