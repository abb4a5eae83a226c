"""What `from_preset` gives back, and what it refuses, on every path."""

import functools
import json

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import (
    CausalLM,
    Classifier,
    EncoderDecoder,
    MaskedLM,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.zoo.core import safetensors
from tests.tools import near, to_numpy
from tests.zoo.cases import CASES


def fresh(name, kind, folder, **entries):
    """A model of a family's configuration, and its folder as they have it."""
    case = CASES[name]
    folder.mkdir(exist_ok=True)
    entries = {"model_type": case.family, **case.entries, **entries}
    (folder / "config.json").write_text(json.dumps(entries))
    cls = getattr(keras_attention, kind)
    model = cls.from_preset(folder, load_weights=False)
    model.to_huggingface(folder)
    return model


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    return fresh("bert", "MaskedLM", folder), folder


def test_a_decoder_alone_has_the_logits_of_the_file(rng, tmp_path):
    whole = fresh("llama", "CausalLM", tmp_path / "whole")
    ids = CASES["llama"].ids(rng)
    decoder = TransformerDecoder.from_preset(tmp_path / "whole")
    expected = to_numpy(whole(ids))
    near(decoder.logits(decoder(ids)), expected)
    decoder.to_huggingface(tmp_path / "alone")
    near(CausalLM.from_preset(tmp_path / "alone")(ids), expected)


@pytest.mark.full
def test_a_decoder_without_its_logits_names_them(tmp_path, capsys):
    fresh("llama", "CausalLM", tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = {
        name: (x.shape, x.dtype, functools.partial(np.copy, np.copy(x.load())))
        for name, x in safetensors.list_tensors(path).items()
        if name != "lm_head.weight"
    }
    safetensors.write(path, tensors)
    capsys.readouterr()
    TransformerDecoder.from_preset(tmp_path)
    assert "has no lm_head.weight: drawn anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "dtype",
    ["float16", pytest.param("mixed_bfloat16", marks=pytest.mark.full)],
)
def test_a_head_has_the_dtype_of_its_encoder(rng, bert, dtype):
    model = MaskedLM.from_preset(bert[1], dtype=dtype)
    compute = keras.DTypePolicy(dtype).compute_dtype
    logits = model(CASES["bert"].ids(rng))
    assert keras.backend.standardize_dtype(logits.dtype) == compute
    kinds = {weight.dtype for weight in model.trainable_weights}
    assert kinds == {keras.DTypePolicy(dtype).variable_dtype}
    assert np.isfinite(to_numpy(keras.ops.cast(logits, "float32"))).all()


@pytest.mark.full
def test_a_name_is_that_of_the_model(bert):
    model = MaskedLM.from_preset(bert[1], name="mine", trainable=False)
    assert model.name == "mine" != model.encoder.name
    assert not model.trainable_weights and not model.encoder.trainable


@pytest.mark.full
def test_only_a_masked_lm_has_a_matrix_for_logits(tmp_path):
    whole = fresh("bert_other", "MaskedLM", tmp_path)
    encoder = TransformerEncoder.from_preset(tmp_path)
    assert not whole.encoder.embedding.tie_weights
    assert encoder.embedding.tie_weights


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        (None, "preset must be a path, a handle or a name. Received: None"),
        ("bert.base", "'bert.base' is neither .* mean 'bert_base'"),
        ("google-bert/bert_base", "would be 'hf://google-bert/bert_base'"),
        (
            "https://huggingface.co/some/bert",
            "config.json is missing. On .* 'hf://some/bert'",
        ),
        ("/nowhere/at/all", "No preset at /nowhere/at/all: .* is missing.$"),
    ],
)
@pytest.mark.parametrize("load_weights", [True, False])
def test_what_is_not_there_is_answered(preset, load_weights, message):
    with pytest.raises(ValueError, match=message):
        TransformerEncoder.from_preset(preset, load_weights=load_weights)


def test_an_argument_of_the_caller_is_no_fault_of_the_file(bert):
    with pytest.raises(ValueError, match="drpout.*mean 'dropout'") as error:
        MaskedLM.from_preset(bert[1], drpout=0.1)
    assert "The file" not in str(error.value)


@pytest.mark.full
def test_lists_of_another_number_of_layers_are_refused(tmp_path):
    for name, entries in (
        ("qwen3", {"layer_types": ["full_attention"]}),
        ("smollm3", {"no_rope_layers": [1]}),
    ):
        fresh(name, "CausalLM", tmp_path)
        change(tmp_path, **entries)
        named = f"has {min(entries)}=.*one for each of its num_hidden_layers"
        with pytest.raises(ValueError, match=named):
            CausalLM.from_preset(tmp_path, load_weights=False)


@pytest.mark.full
def test_whether_logits_are_tied_is_said(tmp_path):
    fresh("llama", "CausalLM", tmp_path)
    change(tmp_path, tie_word_embeddings=None)
    named = f"{tmp_path}/config.json has tie_word_embeddings=None"
    with pytest.raises(ValueError, match=named):
        CausalLM.from_preset(tmp_path)
    change(tmp_path, tie_word_embeddings=True, vocab_size="x")
    with pytest.raises(ValueError, match=f"{tmp_path}/config.json has vocab"):
        CausalLM.from_preset(tmp_path)


@pytest.mark.full
def test_integers_are_no_weights(tmp_path):
    fresh("gpt2", "CausalLM", tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = {
        name: (x.shape, "int8", functools.partial(np.ones, x.shape, "int8"))
        for name, x in safetensors.list_tensors(path).items()
    }
    safetensors.write(path, tensors)
    with pytest.raises(ValueError, match="wte.weight .* is of int8, where"):
        CausalLM.from_preset(tmp_path)


@pytest.mark.full
def test_a_tensor_of_two_shards_is_refused(tmp_path):
    fresh("gpt2", "CausalLM", tmp_path)
    path = tmp_path / "model.safetensors"
    names = "a.safetensors", "b.safetensors"
    for name in names:
        (tmp_path / name).write_bytes(path.read_bytes())
    path.unlink()
    index = {"weight_map": {"x": names[0], "y": names[1]}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    with pytest.raises(ValueError, match="is in .*a.safetensors and in b.saf"):
        CausalLM.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "none of save_to_preset, and has no model_type"),
        ({"architectures": ["BertModel"]}, "config.json is none .* model_type"),
        ({"model_type": "brt"}, "model_type in .*/config.json: 'brt'.*'bert'"),
    ],
)
def test_a_configuration_of_no_model_is_refused(content, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        TransformerEncoder.from_preset(tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", ["longformer", "led"])
def test_more_global_tokens_may_be_asked_for(name, tmp_path):
    kind = "EncoderDecoder" if name == "led" else "Classifier"
    fresh(name, kind, tmp_path)
    cls = EncoderDecoder if name == "led" else Classifier
    model = cls.from_preset(tmp_path, max_global_tokens=100)
    model.to_huggingface(tmp_path)
    again = cls.from_preset(tmp_path)
    for made in (model, again):
        layers = [block.attention for block in made.encoder.blocks]
        assert {layer.max_global_tokens for layer in layers} == {100}
    with pytest.raises(ValueError, match="max_global_tokens must be"):
        cls.from_preset(tmp_path, max_global_tokens="x")
