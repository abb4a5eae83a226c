"""Files of earlier versions, whose configurations say `norm_first`."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_attention import (
    Classifier,
    EncoderDecoder,
    FeedForward,
    MultiHeadAttention,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.models import small
from tests.tools import near, randomize

# The entries of that time, those of Keras left out.
MODEL = {
    *("vocabulary_size", "num_layers", "hidden_dim", "num_heads"),
    *("intermediate_dim", "norm_first", "dropout", "embedding", "attention"),
    *("position", "feed_forward", "normalization"),
}
ENTRIES = {
    "TransformerEncoder": MODEL,
    "TransformerDecoder": MODEL
    | {"cross_attention", "tie_embeddings", "memory_dim", "segment_memory"},
    "TransformerBlock": {
        *("attention", "feed_forward", "cross_attention", "normalization"),
        *("norm_first", "dropout", "memory_dim"),
    },
}
NORM_FIRST = {"pre_norm": True, "post_norm": False}
OF_KERAS = {"name", "trainable", "dtype"}


def aged(description):
    """The description of an object, as the earlier version wrote it."""
    if isinstance(description, list):
        return [aged(part) for part in description]
    if not isinstance(description, dict):
        return description
    description = {key: aged(part) for key, part in description.items()}
    name = description.get("class_name")
    if name in ENTRIES:
        config = description["config"]
        config["norm_first"] = NORM_FIRST[config.pop("residual")]
        for later in ("block", "embedding_normalization"):
            assert config.pop(later, None) is None
        assert config.pop("final_normalization", True) is True
        assert set(config) - OF_KERAS == ENTRIES[name]
    return description


def age_folder(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(aged(json.loads(path.read_text()))))


def age_file(path):
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    config = aged(json.loads(entries["config.json"]))
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in entries.items():
            new.writestr(name, content)


MODELS = {
    "encoder": (TransformerEncoder, small.encoder),
    "decoder": (TransformerDecoder, small.decoder),
    "encoder_decoder": (EncoderDecoder, small.encoder_decoder),
    "classifier": (
        Classifier,
        lambda rng, **options: Classifier(small.encoder(rng, **options), 5),
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("residual", NORM_FIRST)
@pytest.mark.parametrize("name", MODELS)
def test_folders_and_files_of_earlier_versions_load(
    rng, tmp_path, name, residual
):
    cls, make = MODELS[name]
    model, inputs = make(rng, residual=residual), small.ids(rng)
    if name == "encoder_decoder":
        inputs = small.pairs(rng)
    model.save_to_preset(tmp_path / "folder")
    model.save(tmp_path / "model.keras")
    age_folder(tmp_path / "folder")
    age_file(tmp_path / "model.keras")
    for again in (
        cls.from_preset(tmp_path / "folder"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert again.get_config() == model.get_config()
        near(again(inputs), model(inputs), 1e-6)


@pytest.mark.full
@pytest.mark.parametrize("residual", NORM_FIRST)
def test_a_block_of_an_earlier_version_loads(rng, tmp_path, residual):
    block = TransformerBlock(
        MultiHeadAttention(3), FeedForward(17), residual=residual
    )
    inputs = keras.Input((None, small.DIM))
    model = keras.Model(inputs, block(inputs))
    randomize(model, rng)
    model.save(tmp_path / "model.keras")
    age_file(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = rng.normal(size=(2, 5, small.DIM)).astype("float32")
    near(again(x), model(x), 1e-6)


@pytest.mark.full
def test_weights_lie_where_they_lay(rng, tmp_path):
    """In a file, and in the order of `get_weights`."""
    model = small.encoder_decoder(rng)
    block = model.decoder.blocks[1]
    assert [id(v) for v in block.weights] == [
        id(v)
        for part in (
            *(block.attention, block.feed_forward, block.cross_attention),
            *block.norms,
        )
        for v in part.weights
    ]
    h5py = pytest.importorskip("h5py")
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        norms = file["decoder/blocks/transformer_block_1/norms"]
        for index, norm in enumerate(block.norms):
            name = "layer_normalization" + (f"_{index}" if index else "")
            near(np.array(norms[f"{name}/vars/0"]), norm.gamma, 0)


@pytest.mark.parametrize("wrong", ["false", 0, None])
def test_a_wrong_type_in_a_configuration_is_named(rng, tmp_path, wrong):
    small.encoder(rng).save_to_preset(tmp_path)
    age_folder(tmp_path)
    path = tmp_path / "config.json"
    description = json.loads(path.read_text())
    description["config"]["norm_first"] = wrong
    path.write_text(json.dumps(description))
    with pytest.raises(ValueError, match="made: .*norm_first must be True or"):
        TransformerEncoder.from_preset(tmp_path)


@pytest.mark.parametrize("given", [True, False])
def test_a_caller_is_told_which_residual_to_write(given):
    name = "pre_norm" if given else "post_norm"
    message = f'write residual="{name}" in place of norm_first={given}'
    for make in (
        lambda **options: TransformerEncoder(7, 1, 6, 2, **options),
        lambda **options: TransformerDecoder(7, 1, 6, 2, **options),
        lambda **options: TransformerBlock(
            MultiHeadAttention(2), FeedForward(5), **options
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make(norm_first=given)
    # Both say the same thing, or one of them is wrong.
    config = TransformerEncoder(7, 1, 6, 2).get_config()
    with pytest.raises(ValueError, match=message):
        TransformerEncoder.from_config({**config, "norm_first": given})
