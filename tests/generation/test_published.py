"""What a `generation_config.json` asks for, as arguments of a generator."""

import json

import numpy as np
import pytest

from keras_attention import EncoderDecoder
from keras_attention.generation import Generator
from keras_attention.generation.published import read_arguments

# As Llama 3, BART for summaries and Whisper say it.
LLAMA = {
    "bos_token_id": 128000,
    "do_sample": True,
    "eos_token_id": [128001, 128008, 128009],
    "temperature": 0.6,
    "top_p": 0.9,
    "transformers_version": "4.42.3",
}
BART = {
    "_from_model_config": True,
    "bos_token_id": 0,
    "decoder_start_token_id": 2,
    "early_stopping": True,
    "eos_token_id": 2,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
    "length_penalty": 2.0,
    "max_length": 142,
    "min_length": 56,
    "no_repeat_ngram_size": 3,
    "num_beams": 4,
    "pad_token_id": 1,
}


def test_sampling_takes_the_top_50_unless_told_otherwise():
    found = read_arguments(LLAMA)
    assert found == {
        "end_id": [128001, 128008, 128009],
        "padding_id": 128001,
        "start_id": 128000,
        "max_new_tokens": 20,
        "min_length": 0,
        "forced_ids": {},
        "strategy": "sampling",
        "settings": {"top_k": 50, "temperature": 0.6, "top_p": 0.9},
    }
    found = read_arguments({**LLAMA, "top_k": 0, "pad_token_id": -1})
    assert found["settings"]["top_k"] is None
    assert found["padding_id"] == 128001


def test_beams_have_what_bart_says():
    found = read_arguments(BART)
    assert found == {
        "end_id": 2,
        "padding_id": 1,
        "start_id": 2,
        "max_length": 142,
        "min_length": 56,
        "no_repeat_ngram_size": 3,
        "forced_first_id": 0,
        "forced_last_id": 2,
        "forced_ids": {},
        "strategy": "beam",
        "settings": {
            "num_beams": 4,
            "early_stopping": True,
            "length_penalty": 2.0,
        },
    }


def test_arguments_replace_those_of_the_file():
    found = read_arguments(
        BART, max_new_tokens=9, min_new_tokens=2, settings={"num_beams": 2}
    )
    assert found["settings"]["num_beams"] == 2
    assert found["settings"]["length_penalty"] == 2.0
    assert found["max_new_tokens"] == 9
    assert not {"max_length", "min_length"} & found.keys()
    found = read_arguments(LLAMA, strategy="greedy", end_id=5)
    assert (found["settings"], found["end_id"]) == ({}, 5)


def test_positions_have_their_ids_and_one_without_is_named():
    pairs = [[1, None], [2, 50359]]
    with pytest.warns(UserWarning, match="positions of forced_decoder_ids"):
        found = read_arguments({"forced_decoder_ids": pairs})
    assert found["forced_ids"] == {2: 50359}


def test_what_is_lacked_is_named_in_one_line():
    lacked = {
        "encoder_no_repeat_ngram_size": 3,
        "diversity_penalty": 0.0,
        "typical_p": 0.9,
        "use_cache": False,
        "something_new": 1,
    }
    with pytest.warns(UserWarning) as caught:
        read_arguments({**BART, **lacked})
    (warning,) = caught
    assert str(warning.message) == (
        "generation_config.json asks for what keras_attention lacks, and which "
        "is passed over: encoder_no_repeat_ngram_size=3, typical_p=0.9, "
        "something_new=1"
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"num_beams": "4"}, "f.json: num_beams must be a positive integer"),
        ({"max_length": True}, "f.json: max_length must be a positive integer"),
        ({"eos_token_id": [2, "3"]}, "eos_token_id must be an id or a list"),
        ({"bad_words_ids": [3]}, "bad_words_ids must be a list of lists"),
        ({"bad_words_ids": [[]]}, "bad_words_ids must be a list of lists"),
        ({"early_stopping": "always"}, 'must be true, false or "never"'),
        ({"forced_decoder_ids": [[1]]}, "must be a list of pairs"),
        ({"do_sample": 1}, "do_sample must be true or false. Received: 1"),
        ({"do_sample": True, "num_beams": 2}, "f.json asks for beams that are"),
    ],
)
def test_an_entry_of_another_type_is_refused_by_name(entries, message):
    with pytest.raises(ValueError, match=message):
        read_arguments(entries, file="f.json")


# A folder of the time when config.json said how to generate.
OLD = {
    "model_type": "bart",
    "vocab_size": 37,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "max_position_embeddings": 16,
    **BART,
    "max_length": 11,
    "min_length": 5,
}
SOURCES = np.array([[3, 4, 5], [7, 6, 2]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bart")
    (folder / "config.json").write_text(json.dumps(OLD))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return EncoderDecoder.from_preset(folder, load_weights=False)


def generate(model, **changes):
    generator = Generator.from_model(model, jit_compile=False, **changes)
    return generator(source_ids=SOURCES)["token_ids"]


@pytest.mark.full
def test_old_folders_generate_as_their_config_says(model):
    found = generate(model, forced_first_id=9, strategy="greedy")
    assert found.shape == (2, 11)
    assert (found[:, :2] == [2, 9]).all()
    assert not (found[:, 2:5] == 2).any()
    assert (found == 2).sum(axis=1).tolist() == [2, 2]


def test_how_to_generate_is_saved_and_written(model, folder, tmp_path):
    kept = {n: x for n, x in OLD.items() if n in BART}
    del kept["_from_model_config"]
    assert model.generation == kept
    model.save_to_preset(tmp_path / "ours")
    model.to_huggingface(tmp_path / "theirs")
    written = tmp_path / "theirs" / "generation_config.json"
    assert json.loads(written.read_text()) == kept
    for again in (
        EncoderDecoder.from_config(model.get_config()),
        EncoderDecoder.from_preset(tmp_path / "ours"),
        EncoderDecoder.from_preset(tmp_path / "theirs", load_weights=False),
    ):
        assert again.generation == kept


@pytest.mark.full
def test_the_file_counts_and_nothing_of_the_config_beside_it(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(OLD))
    path = tmp_path / "generation_config.json"
    path.write_text('{"max_new_tokens": 3, "decoder_start_token_id": 5}')
    model = EncoderDecoder.from_preset(tmp_path, load_weights=False)
    found = generate(model)
    assert found.shape == (2, 4) and (found[:, 0] == 5).all()
    path.write_text("[1]")
    with pytest.raises(ValueError, match="generation_config.json must hold"):
        EncoderDecoder.from_preset(tmp_path, load_weights=False)


def test_a_model_of_no_folder_and_a_missing_start_are_refused(model):
    generator = Generator(model, max_length=5, end_id=2)
    with pytest.raises(ValueError, match="prompt is needed.*start_id=None"):
        generator(source_ids=SOURCES)
    with pytest.raises(ValueError, match="`max_length` or `max_new_tokens`"):
        Generator(model, end_id=2)
    own = EncoderDecoder(model.encoder, model.decoder)
    with pytest.raises(ValueError, match="no generation_config.json says how"):
        Generator.from_model(own)
    with pytest.raises(ValueError, match="Did you mean 'bad_words'"):
        Generator.from_model(model, bad_word=[[3]])
