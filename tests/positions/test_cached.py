"""Decoding by pieces gives what the whole sequence gives."""

import itertools
import json

import keras
import numpy as np
import pytest

from keras_attention import (
    MultiHeadAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
    TransformerDecoder,
    TransformerEncoder,
    XPos,
    positions,
)
from tests.tools import few, near, only, randomize, to_numpy

LENGTH, DIM, HEADS = 13, 12, 2
LONG = {"factor": 3.0, "original_max_length": 7}
POSITIONS = {
    "linear": lambda: RotaryEmbedding(
        scaling={"type": "linear", "factor": 2.5}
    ),
    "yarn": lambda: RotaryEmbedding(scaling={"type": "yarn", **LONG}),
    "llama3": lambda: RotaryEmbedding(
        fraction=4 / 6, interleaved=True, scaling={"type": "llama3", **LONG}
    ),
    "axes": lambda: RotaryEmbedding(
        fraction=4 / 6, axes=2, grid=(LENGTH, LENGTH)
    ),
    "xpos": lambda: XPos(scale_base=11.0),
}
FLAVOURS = {
    "multi_head": lambda position: MultiHeadAttention(
        HEADS, num_kv_heads=1, position=position
    ),
    "ring": lambda position: SlidingWindowAttention(
        HEADS, window_size=3, position=position
    ),
    "sinks": lambda position: SlidingWindowAttention(
        HEADS, window_size=2, num_sinks=2, position=position
    ),
}
CONFIGS = [
    {"scaling": {"type": "linear", "factor": 2}},
    {"scaling": {"type": "ntk", **LONG}},
    {"scaling": {"type": "yarn", "mscale": 1, "mscale_all_dim": 0.5, **LONG}},
    {"scaling": "llama3", "base": 5e5},
    {"axes": 2, "grid": (5, 3), "fraction": 4 / 6},
]


@pytest.mark.few
@pytest.mark.parametrize(
    ("flavour", "name"),
    only(
        {
            *(("multi_head", name) for name in POSITIONS),
            *((flavour, "xpos") for flavour in FLAVOURS),
        },
        itertools.product(FLAVOURS, POSITIONS),
    ),
)
@pytest.mark.parametrize("cuts", few([(3, 4, 11), range(1, LENGTH), (5,)]))
def test_any_pieces_give_the_whole(rng, flavour, name, cuts):
    x = rng.normal(size=(2, LENGTH, DIM)).astype("float32")
    layer = FLAVOURS[flavour](POSITIONS[name]())
    layer.build(x.shape)
    randomize(layer, rng)
    whole = layer(x, use_causal_mask=True)
    cache, outputs = layer.init_cache(2, LENGTH), []
    for start, end in zip((0, *cuts), (*cuts, LENGTH), strict=True):
        output, cache = layer(x[:, start:end], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), whole, 2e-5)


@pytest.mark.parametrize("config", CONFIGS)
def test_config_makes_the_same_rotary_embedding(rng, config):
    layer = RotaryEmbedding(**config)
    written = json.loads(json.dumps(layer.get_config()))
    again = RotaryEmbedding.from_config(written)
    assert again.get_config() == layer.get_config()
    x = rng.normal(size=(2, LENGTH, HEADS, 6)).astype("float32")
    places = np.arange(LENGTH)
    near(again.rotate(x, places, "key"), layer.rotate(x, places, "key"), 0)


def test_config_makes_the_same_xpos():
    config = {
        "base": 7.0,
        "scale_base": 77,
        "fraction": 0.5,
        "interleaved": True,
    }
    layer = XPos(**config)
    again = XPos.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    assert config.items() <= again.get_config().items()


@pytest.mark.full
@pytest.mark.parametrize(
    "position",
    few(
        [
            {"class_name": "RotaryEmbedding", "config": CONFIGS[2]},
            {"class_name": "XPos", "config": {"scale_base": 77}},
            {"class_name": "RotaryEmbedding", "config": CONFIGS[1]},
            {"class_name": "RotaryEmbedding", "config": CONFIGS[3]},
            {"class_name": "RotaryEmbedding", "config": CONFIGS[4]},
            "xpos",
        ],
        quick=2,
    ),
)
def test_models_take_and_save_it(rng, tmp_path, position):
    tokens = rng.integers(1, 23, size=(2, LENGTH))
    causal = "xpos" in str(position).lower()
    cls = TransformerDecoder if causal else TransformerEncoder
    model = cls(23, 1, DIM, HEADS, position=position)
    randomize(model, rng)
    written = json.dumps(model.get_config())
    again = cls.from_config(json.loads(written))
    assert json.dumps(again.get_config()) == written
    again.set_weights(model.get_weights())
    near(again(tokens), model(tokens), 0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.position.get_config() == model.position.get_config()
    near(loaded.predict(tokens, verbose=0), model(tokens))


@pytest.mark.full
@pytest.mark.parametrize("position", few(["xpos", CONFIGS[2], CONFIGS[4]]))
def test_a_decoder_decodes_with_it(rng, position):
    if isinstance(position, dict):
        position = {"class_name": "RotaryEmbedding", "config": position}
    tokens = rng.integers(1, 23, size=(2, LENGTH))
    model = TransformerDecoder(23, 1, DIM, HEADS, position=position)
    randomize(model, rng)
    cache, outputs = model.init_cache(2, LENGTH), []
    for start in range(LENGTH):
        piece = tokens[:, start : start + 1]
        output, cache = model(piece, cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), model(tokens), 3e-5)


@pytest.mark.full
@pytest.mark.parametrize(
    "config", few([CONFIGS[1], {"axes": 2, "fraction": 4 / 6}, *CONFIGS], 2)
)
def test_a_model_of_any_length_fits(rng, config):
    """Lengths that a graph does not know when it is made."""
    inputs = keras.Input((None, DIM))
    position = RotaryEmbedding(**config)
    layer = MultiHeadAttention(HEADS, position=position)
    model = keras.Model(inputs, layer(inputs))
    for length in (4, LENGTH):
        x = rng.normal(size=(2, length, DIM)).astype("float32")
        near(model.predict(x, verbose=0), layer(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("config", [*CONFIGS, None])
def test_dtypes_stay(rng, dtype, config):
    layer = XPos() if config is None else RotaryEmbedding(**config)
    x = rng.normal(size=(2, LENGTH, HEADS, 6))
    x = keras.ops.convert_to_tensor(x)
    if dtype != "float64":  # which JAX lacks, and says so
        x = keras.ops.cast(x, dtype)
    output = layer.rotate(x, keras.ops.arange(LENGTH), "key")
    assert output.dtype == x.dtype and output.shape == x.shape


def test_names_are_listed():
    assert "xpos" in positions.names()
    assert isinstance(positions.get("xpos"), XPos)
