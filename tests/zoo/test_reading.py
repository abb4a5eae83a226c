"""Folders of every form, and those that are refused."""

import json
import struct

import h5py
import numpy as np
import pytest

import keras_attention
from keras_attention import (
    CausalLM,
    MaskedLM,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.zoo.core import safetensors
from tests.tools import near, near_by_size, to_numpy
from tests.zoo import oracle
from tests.zoo.cases import CASES

BERT, GPT2 = CASES["bert"], CASES["gpt2"]


@pytest.fixture
def folder(tmp_path):
    """BERT with its head, as `transformers` saves it."""
    oracle.make(BERT, "MaskedLM").save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def logits(folder, rng, **options):
    ids = BERT.ids(rng)
    return to_numpy(MaskedLM.from_preset(folder, **options)(ids))


def change(folder, **entries):
    path = folder / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **entries}))


def test_shards_are_read(rng, tmp_path):
    theirs = oracle.make(BERT, "MaskedLM")
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    ids = BERT.ids(rng)
    mask = ids != 0
    expected = oracle.call(theirs, ids, padding_mask=mask)
    found = to_numpy(MaskedLM.from_preset(tmp_path)(ids))
    near_by_size(found[mask], expected[mask], 1e-4)


def as_tensorflow(name, tensor):
    """Where, and how, the TensorFlow models kept a tensor of PyTorch."""
    model, (*parts, last) = "tf_bert_for_masked_lm", name.split(".")
    is_norm = "LayerNorm" in parts
    if parts[-1].endswith("type_embeddings") or "position" in parts[-1]:
        last = "embeddings"
    elif last == "weight" and is_norm:
        last = "gamma"
    elif last == "bias" and is_norm:
        last = "beta"
    elif last == "weight" and not parts[-1].endswith("word_embeddings"):
        last, tensor = "kernel", tensor.T
    if parts[0] == "cls":
        parts[0] = "mlm___cls"
    text = "/".join([parts[0], model, *parts, last])
    for index in range(3):
        text = text.replace(f"layer/{index}/", f"layer_._{index}/")
    return f"{text}:0", tensor


def test_files_of_tensorflow_are_read(rng, folder, tmp_path):
    expected = logits(folder, rng)
    tensors = safetensors.list_tensors(folder / "model.safetensors")
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text((folder / "config.json").read_text())
    with h5py.File(old / "tf_model.h5", "w") as file:
        for name, stored in tensors.items():
            place, tensor = as_tensorflow(name, stored.load())
            file[place] = tensor
    rng = np.random.default_rng(5)
    ids = BERT.ids(rng)
    near(
        MaskedLM.from_preset(old)(ids),
        MaskedLM.from_preset(folder)(ids),
        atol=0,
        rtol=0,
    )
    assert expected.shape[-1] == 37


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_other_floats_are_read(rng, tmp_path, dtype):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs = oracle.make(BERT, "MaskedLM").to(getattr(torch, dtype))
    theirs.save_pretrained(tmp_path)
    ids = BERT.ids(rng)
    mask = ids != 0
    expected = oracle.call(theirs.float(), ids, padding_mask=mask)
    model = MaskedLM.from_preset(tmp_path)
    assert {x.dtype for x in model.trainable_weights} == {"float32"}
    near_by_size(to_numpy(model(ids))[mask], expected[mask], 1e-4)
    half = MaskedLM.from_preset(tmp_path, dtype=dtype)
    assert {x.dtype for x in half.encoder.trainable_weights} == {dtype}


def test_every_dtype_comes_back(rng, tmp_path):
    tensors = {
        dtype.name: rng.integers(0, 2, (3, 5)).astype(dtype)
        for dtype in safetensors._DTYPES.values()
        if dtype.name != "float8_e8m0fnu"  # which has no zero
    }
    tensors["empty"] = np.zeros((0, 3), "float32")
    path = tmp_path / "some.safetensors"
    safetensors.write(
        path,
        {n: (x.shape, x.dtype, lambda x=x: x) for n, x in tensors.items()},
        {"format": "pt"},
    )
    found = safetensors.list_tensors(path)
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        loaded = found[name].load()
        assert loaded.dtype == expected.dtype
        np.testing.assert_array_equal(
            loaded.astype("float64"), expected.astype("float64")
        )
    package = pytest.importorskip("safetensors.torch")
    theirs = package.load_file(path)
    for name in ("int32", "float32", "bool"):
        np.testing.assert_array_equal(theirs[name].numpy(), tensors[name])
    for name in ("bfloat16", "float8_e4m3fn"):
        np.testing.assert_array_equal(
            theirs[name].float().numpy(), tensors[name].astype("float32")
        )


def test_a_head_that_is_lacking_is_fresh_and_named(rng, tmp_path, capsys):
    theirs = oracle.make(BERT, "TransformerEncoder")
    theirs.save_pretrained(tmp_path)
    capsys.readouterr()
    model = keras_attention.Classifier.from_preset(tmp_path)
    error = capsys.readouterr().err
    assert "classifier.weight" in error and error.count("\n") == 1
    ids = BERT.ids(rng)
    mask = ids != 0
    expected = oracle.call(theirs, ids, padding_mask=mask)
    found = to_numpy(model.encoder(ids))
    near_by_size(found[mask], expected[mask], 1e-4)
    assert np.abs(to_numpy(model.dense.kernel)).max() > 0


def test_a_head_that_nobody_asked_for_is_left(rng, folder, capsys):
    capsys.readouterr()
    encoder = TransformerEncoder.from_preset(folder)
    whole = MaskedLM.from_preset(folder)
    ids = BERT.ids(rng)
    near(encoder(ids), whole.encoder(ids), atol=0, rtol=0)
    assert not capsys.readouterr().err


def test_arguments_stand_in_place_of_those_of_the_file(folder):
    encoder = TransformerEncoder.from_preset(folder, dropout=0.0)
    assert encoder.dropout == 0.0
    fresh = TransformerEncoder.from_preset(folder, load_weights=False)
    same = TransformerEncoder.from_preset(folder)
    assert fresh.count_params() == same.count_params()
    table = to_numpy(same.embedding.embedding.embeddings)
    assert np.abs(to_numpy(fresh.embedding.embedding.embeddings) - table).max()


def test_models_made_later_have_their_numbers(folder):
    """Reading leaves nothing behind that Keras would draw later."""
    import keras

    MaskedLM.from_preset(folder)
    with pytest.raises(ValueError, match="model_type"):
        change(folder, model_type="birt")
        MaskedLM.from_preset(folder)
    with keras.StatelessScope():
        pass
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    assert np.abs(to_numpy(layer.kernel)).max() > 0


def entries_of(path, change_header):
    """Rewrites the header of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header = change_header(header) or header
    text = json.dumps(header).encode()
    path.write_bytes(
        struct.pack("<Q", len(text)) + text + content[8 + length :]
    )


def edit(path, change_tensors):
    """Writes a safetensors file anew with other tensors."""
    package = pytest.importorskip("safetensors.torch")
    tensors = package.load_file(path)
    change_tensors(tensors)
    package.save_file(tensors, path, {"format": "pt"})


def test_the_first_names_of_norms_are_read(rng, folder):
    ids = BERT.ids(rng)
    expected = MaskedLM.from_preset(folder)(ids)

    def rename(tensors):
        for name in list(tensors):
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            old = old.replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[old] = tensors.pop(name)

    edit(folder / "model.safetensors", rename)
    near(MaskedLM.from_preset(folder)(ids), expected, atol=0, rtol=0)


def test_a_stored_matrix_for_logits_counts(rng, tmp_path):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs = oracle.make(GPT2, "CausalLM")
    theirs.save_pretrained(tmp_path)
    matrix = torch.tensor(rng.normal(size=(37, 24)), dtype=torch.float32)
    edit(
        tmp_path / "model.safetensors",
        lambda tensors: tensors.update({"lm_head.weight": matrix}),
    )
    again = type(theirs).from_pretrained(tmp_path).eval()
    ids = GPT2.ids(rng)
    model = CausalLM.from_preset(tmp_path)
    assert not model.decoder.tie_embeddings
    near_by_size(model(ids), oracle.call(again, ids), 1e-4)


def test_a_written_file_says_the_dtype_of_its_weights(folder, tmp_path):
    change(
        folder, dtype="bfloat16", quantization_config={"quant_method": "fp8"}
    )
    MaskedLM.from_preset(folder).to_huggingface(tmp_path / "out")
    content = json.loads((tmp_path / "out/config.json").read_text())
    assert content["dtype"] == "float32"
    assert "quantization_config" not in content


def test_a_model_of_other_layers_takes_no_weights(folder):
    for number in (1, 3):
        with pytest.raises(ValueError, match=f"2 layers, the model {number}"):
            MaskedLM.from_preset(folder, num_layers=number)
    model = MaskedLM.from_preset(folder, load_weights=False, num_layers=1)
    assert len(model.encoder.blocks) == 1


def test_an_encoder_is_not_given(folder):
    with pytest.raises(ValueError, match="makes the encoder by itself"):
        MaskedLM.from_preset(folder, encoder=None)
    with pytest.raises(ValueError, match="num_classes"):
        MaskedLM.from_preset(folder, num_classes=3)


def test_a_family_that_is_not_known_is_refused(folder):
    change(folder, model_type="brt")
    with pytest.raises(ValueError, match="'brt'.*bert.*mean 'bert'"):
        TransformerEncoder.from_preset(folder)


def test_a_model_that_the_family_has_not_is_refused(folder):
    with pytest.raises(ValueError, match="BERT model is no CausalLM.*MaskedLM"):
        CausalLM.from_preset(folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"hidden_act": "gulu"}, "config.json has hidden_act='gulu'.*'gelu'"),
        ({"is_decoder": True}, "is_decoder=True.*cannot honour"),
        ({"position_embedding_type": "relative_key"}, "relative_key.*absolute"),
        (
            {"num_attention_heads": 5},
            "config.json describes no BERT.*hidden_dim must be divisible.*The "
            "file has hidden_size=24, num_attention_heads=5",
        ),
        ({"hidden_size": -1}, "config.json has hidden_size=-1; .* 0 or more"),
        ({"hidden_size": 0}, "config.json.*hidden_dim.*file has hidden_size=0"),
        ({"hidden_size": [24]}, "config.json describes no BERT.*Received.*24"),
        ({"vocab_size": None}, "config.json has vocab_size=None, which"),
        ({"vocab_size": "x"}, "config.json has vocab_size='x'.*an integer"),
        ({"pad_token_id": 0.5}, "has pad_token_id=0.5; it must be an integer"),
        ({"layer_norm_eps": "1e-12"}, "has layer_norm_eps='1e-12'.*a number"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob=1.0.*below 1"),
        ({"tie_word_embeddings": "no"}, "file has tie_word_embeddings='no'"),
        (
            {"hidden_act": ["gelu"]},
            "config.json has hidden_act=.'gelu'.; it",
        ),
        ({"model_type": ["bert"]}, "Unknown model_type"),
        ({"num_hidden_layers": 900}, "has 900 layers.*lacks tensors"),
        ({"quantization_config": [1]}, "quantization_config=.1., which is no"),
        ({"num_hidden_layers": 3}, "has 3 layers.*lacks tensors"),
        ({"num_hidden_layers": 1}, "16 tensors of which.*layer.1"),
        ({"vocab_size": 38}, r"word_embeddings.weight.*\(37, 24\).*\(38, 24\)"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(folder, entries, message):
    change(folder, **entries)
    with pytest.raises(ValueError, match=message):
        MaskedLM.from_preset(folder)


def test_names_of_a_family_are_those_of_its_files(tmp_path):
    config = {"model_type": "gpt2", "n_embd": 25, "n_layer": 1, "n_head": 4}

    def refused(message, **changes):
        text = json.dumps({**config, **changes})
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            CausalLM.from_preset(tmp_path, load_weights=False)

    refused("config.json describes no GPT-2.*file has n_embd=25, n_head=4")
    refused("has n_head='4'; it must be an integer", n_head="4")
    refused("has scale_attn_weights=False", scale_attn_weights=False)
    # What a caller passes is not what the file says.
    with pytest.raises(ValueError, match="^dropout must lie") as error:
        CausalLM.from_preset("gpt2", load_weights=False, dropout=1.5)
    assert "describes" not in str(error.value)


def rename(header):
    name = "bert.encoder.layer.0.output.dense.weight"
    header[name.replace("output", "outputt", 1)] = header.pop(name)


def test_a_tensor_of_another_name_is_named(folder):
    entries_of(folder / "model.safetensors", rename)
    expected = r"layer.0.output.dense.weight.*mean '.*outputt.dense.weight'"
    with pytest.raises(ValueError, match=expected):
        MaskedLM.from_preset(folder)


def test_truncated_files_are_refused(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    for size in (0, 5, 100, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="model.safetensors.*truncated"):
            MaskedLM.from_preset(folder)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F7"}, "unknown dtype F7"),
        ({"shape": [10**13]}, "bytes as its shape"),
        ({"shape": [-1, 3]}, "a size that is none"),
        ({"data_offsets": [5, 3]}, "bytes as its shape"),
        ({"data_offsets": [0]}, "none of a safetensors file"),
    ],
)
def test_headers_that_lie_are_refused(folder, entry, message):
    def lie(header):
        name = next(n for n in header if n != "__metadata__")
        header[name].update(entry)

    entries_of(folder / "model.safetensors", lie)
    with pytest.raises(ValueError, match=f"model.safetensors.*{message}"):
        MaskedLM.from_preset(folder)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"a": "../other.safetensors"}, "outside of its folder"),
        ({"a": "/etc/passwd"}, "outside of its folder"),
        ({"a": "gone.safetensors"}, "'gone.safetensors', which is missing"),
        (["a"], "must hold a weight_map"),
    ],
)
def test_indexes_that_lead_elsewhere_are_refused(folder, places, message):
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    with pytest.raises(ValueError, match=message):
        MaskedLM.from_preset(folder)


def test_pickles_are_never_opened(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="neither model.safetensors nor"):
        MaskedLM.from_preset(folder)
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ValueError, match=r"pytorch_model.bin can run code"):
        MaskedLM.from_preset(folder)


def test_names_of_sizes():
    model = TransformerDecoder.from_preset(
        "gpt2", load_weights=False, num_layers=1, vocabulary_size=11
    )
    assert (model.num_layers, model.hidden_dim) == (1, 768)
    with pytest.raises(ValueError, match="'gpt2' brings no weights.*hf://"):
        TransformerDecoder.from_preset("gpt2")
    with pytest.raises(ValueError, match="'bert_base_en'.*mean 'bert_base'"):
        TransformerEncoder.from_preset("bert_base_en")
    with pytest.raises(ValueError, match="GPT-2 model is no TransformerEnc"):
        TransformerEncoder.from_preset("gpt2", load_weights=False)


def test_what_cannot_be_written_is_refused(rng, folder, tmp_path):
    from tests.models import small

    with pytest.raises(ValueError, match="no published family"):
        small.encoder(rng).to_huggingface(tmp_path / "out")
    model = TransformerEncoder.from_preset(
        folder, normalization="rms_norm", load_weights=False
    )
    with pytest.raises(ValueError, match="arguments that change its sizes"):
        model.to_huggingface(tmp_path / "out")
    model = TransformerEncoder.from_preset(folder)
    model.blocks[0].attention.query_dense.quantize("int8")
    with pytest.raises(ValueError, match="quantization_mode=int8"):
        model.to_huggingface(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_ones_own_takes_no_arguments(rng, tmp_path):
    from tests.models import small

    small.encoder(rng).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="read as it is.*dropout"):
        TransformerEncoder.from_preset(tmp_path, dropout=0.0)


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes"])
def test_other_quantizations_are_refused_by_name(folder, method):
    change(folder, quantization_config={"quant_method": method})
    with pytest.raises(ValueError, match=f"(?i){method}, which is not read"):
        MaskedLM.from_preset(folder)
