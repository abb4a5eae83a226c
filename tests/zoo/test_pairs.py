"""Files of pairs: one matrix under several names, and what is refused."""

import json

import h5py
import numpy as np
import pytest

from keras_attention import EncoderDecoder, TransformerEncoder
from tests.tools import near_by_size, to_numpy
from tests.zoo import cases, oracle

safetensors = pytest.importorskip("safetensors.numpy", reason="the oracle")
load_file, save_file = safetensors.load_file, safetensors.save_file
KIND = "EncoderDecoder"
SHARED, HEAD = "shared.weight", "lm_head.weight"
SOURCE, TARGET = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"


def saved(name, folder):
    """A model of `transformers`, its tensors, and a function to change them."""
    case = cases.CASES[name]
    theirs = oracle.make(case, KIND)
    theirs.save_pretrained(folder)
    path = folder / "model.safetensors"
    return case, theirs, path, load_file(path)


def logits(model, ids):
    return to_numpy(model({"source_ids": ids, "target_ids": ids[:, :5]}))


def expected(theirs, case, rng):
    ids = rng.integers(3, 30, (2, 8))
    return ids, oracle.call_pair(theirs, ids, ids[:, :5], np.ones((2, 8)))


@pytest.mark.few
@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.parametrize(
    "kept",
    [(SHARED, SOURCE, TARGET, HEAD), (SOURCE,), (TARGET,), (HEAD,)],
    ids=["all", "encoder", "decoder", "logits"],
)
def test_one_matrix_may_have_any_of_its_names(name, kept, rng, tmp_path):
    case, theirs, path, tensors = saved(name, tmp_path)
    prefix = "" if name == "t5" else "model."
    matrix = tensors.pop(prefix + SHARED)
    for one in kept:
        tensors[one if one == HEAD else prefix + one] = matrix.copy()
    save_file(tensors, path, {"format": "pt"})
    ours = EncoderDecoder.from_preset(tmp_path)
    assert ours.share_embeddings and ours.decoder.tie_embeddings
    ids, numbers = expected(theirs, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)


@pytest.mark.parametrize("name", ["t5_later", "mt5"])
def test_an_encoder_is_read_of_a_pair(name, rng, tmp_path):
    case, theirs, _, _ = saved(name, tmp_path)
    ours = TransformerEncoder.from_preset(tmp_path)
    ids = rng.integers(3, 30, (2, 8))
    numbers = oracle.call(theirs.encoder, ids)
    near_by_size(ours(ids), numbers, 1e-4)


def tensorflow_name(name):
    """What the TensorFlow models called a tensor, and whether it is dense."""
    *module, last = name.removeprefix("model.").split(".")
    if module == ["shared"]:
        return "model.shared/model.shared/weight:0", False
    if last == "final_logits_bias":
        return f"{last}/{last}:0", False
    inner, is_norm = module[-1], "norm" in module[-1]
    is_dense = last == "weight" and not is_norm and "embed" not in inner
    if last == "weight":
        last = "gamma" if is_norm else "kernel" if is_dense else "embeddings"
    elif is_norm:
        last = "beta"
    scope = "/".join(module).replace("layers/", "layers.")
    return f"model/tf_bart/model/{scope}/{last}:0", is_dense


def test_a_file_of_tensorflow_is_read(rng, tmp_path):
    case, theirs, path, tensors = saved("bart", tmp_path)
    path.unlink()
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        for name, numbers in tensors.items():
            place, is_dense = tensorflow_name(name)
            file[place] = numbers.T if is_dense else numbers
    ours = EncoderDecoder.from_preset(tmp_path)
    ids, numbers = expected(theirs, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)


def test_a_model_without_a_head_is_read(rng, tmp_path):
    case, theirs, _, _ = saved("bart", tmp_path / "whole")
    theirs.model.save_pretrained(tmp_path / "base")
    path = tmp_path / "base" / "model.safetensors"
    assert SHARED in load_file(path)  # no prefix
    ours = EncoderDecoder.from_preset(tmp_path / "base")
    theirs.final_logits_bias.zero_()
    ids, numbers = expected(theirs, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)


def test_logits_of_their_own_beside_shared_tokens(rng, tmp_path):
    # As `transformers` 4 wrote them; 5 reads them with copies alone.
    case, theirs, path, tensors = saved("bart_other", tmp_path / "theirs")
    base = theirs.model
    for side in (base.encoder, base.decoder):
        side.embed_tokens.weight = base.shared.weight
    for name in (SOURCE, TARGET):
        del tensors[f"model.{name}"]
    save_file(tensors, path, {"format": "pt"})
    ours = EncoderDecoder.from_preset(tmp_path / "theirs")
    assert ours.share_embeddings and not ours.decoder.tie_embeddings
    ids, numbers = expected(theirs, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)
    ours.to_huggingface(tmp_path / "ours")
    again = type(theirs).from_pretrained(tmp_path / "ours").eval()
    ids, numbers = expected(again, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)


def test_stored_logits_count_more_than_config(rng, tmp_path):
    case, theirs, _, _ = saved("mt5_later", tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    assert content["tie_word_embeddings"]  # as version 5 writes it
    ours = EncoderDecoder.from_preset(tmp_path)
    assert not ours.decoder.tie_embeddings
    assert ours.published["tie_word_embeddings"] is False
    ids, numbers = expected(theirs, case, rng)
    near_by_size(logits(ours, ids), numbers, 1e-4)


def test_t5_with_sides_that_differ_is_refused(tmp_path):
    _, _, path, tensors = saved("t5", tmp_path)
    tensors[SOURCE], tensors[TARGET] = tensors[SHARED], -tensors[SHARED]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ValueError, match="share_encoder_decoder_embeddings"):
        EncoderDecoder.from_preset(tmp_path)


@pytest.mark.parametrize("windows", [5, [4], [4, 3]])
def test_windows_of_no_led_are_refused(windows, tmp_path):
    saved("led", tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "attention_window": windows}))
    with pytest.raises(ValueError, match="attention_window.*even"):
        EncoderDecoder.from_preset(tmp_path)


def test_t5_with_two_words_for_its_activation_is_refused(tmp_path):
    saved("t5", tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "dense_act_fn": "silu"}))
    with pytest.raises(ValueError, match="dense_act_fn='silu'"):
        EncoderDecoder.from_preset(tmp_path)


@pytest.mark.parametrize("name", ["pegasus", "marian", "m2m_100"])
def test_other_positions_than_sinusoids_are_refused(name, tmp_path):
    _, theirs, path, tensors = saved(name, tmp_path)
    layer = theirs.model.decoder.embed_positions
    end = "weights" if name == "m2m_100" else "weight"
    table = getattr(layer, end).detach().numpy().copy()
    place = f"model.decoder.embed_positions.{end}"
    for dtype in ("float16", "float32"):
        tensors[place] = table.astype(dtype)
        save_file(tensors, path, {"format": "pt"})
        EncoderDecoder.from_preset(tmp_path)
    table[5, 3] += 2e-4
    tensors[place] = table
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ValueError, match=f"{place} in .*positions.*0.0002"):
        EncoderDecoder.from_preset(tmp_path)
    tensors[place] = table[:, 1:].copy()
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ValueError, match="24 columns"):
        EncoderDecoder.from_preset(tmp_path)
