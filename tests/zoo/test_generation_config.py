"""A folder's `generation_config.json` means here what it means to them."""

import json

import numpy as np
import pytest

import keras_attention
from keras_attention.generation import Generator
from tests.zoo import oracle
from tests.zoo.cases import CASES

START, PADDING, END, OTHER_END, LANGUAGE = 5, 1, 2, 14, 7
IDS = {
    "eos_token_id": END,
    "pad_token_id": PADDING,
    "decoder_start_token_id": START,
}
ROOM = {"n_positions": 40, "max_position_embeddings": 40}
SUMMARY = {
    "max_length": 17,
    "min_length": 6,
    "eos_token_id": [END, OTHER_END, 23],
    "no_repeat_ngram_size": 3,
    "forced_eos_token_id": END,
    "early_stopping": True,
    "length_penalty": 2.0,
}
# By name: a case, and what a file says, given the prompt's length and what is
# generated without it.
FILES = {
    "ends": (
        "llama",
        lambda n, row: {"eos_token_id": [END, *row[n + 4 : n + 6]]},
    ),
    "language": ("m2m_100", lambda n, row: {"forced_bos_token_id": LANGUAGE}),
    "summary": ("bart", lambda n, row: SUMMARY),
    "first": (
        "bart",
        lambda n, row: {
            **SUMMARY,
            "early_stopping": "never",
            "length_penalty": -0.5,
            "forced_bos_token_id": LANGUAGE,
            "begin_suppress_tokens": row[n:],
        },
    ),
    "words": (
        "marian",
        lambda n, row: {
            "bad_words_ids": [
                [PADDING],
                [END],
                row[n : n + 1],
                row[n + 1 : n + 3],
                row[n + 3 : n + 6],
            ],
            "renormalize_logits": True,
            "forced_eos_token_id": END,
            "early_stopping": False,
            "max_length": 19,
        },
    ),
    "repetition": (
        "gpt2",
        lambda n, row: {"repetition_penalty": 1.7, "max_new_tokens": 15},
    ),
    "t5": (
        "t5",
        lambda n, row: {
            "repetition_penalty": 1.3,
            "min_new_tokens": 7,
            "eos_token_id": row[n + 2],
        },
    ),
    "suppressed": (
        "qwen3",
        lambda n, row: {
            "suppress_tokens": row[n + 1 : n + 4],
            "begin_suppress_tokens": row[n : n + 1],
            "max_length": 16,
        },
    ),
}
BY_DEFAULT = [("repetition", 1)]  # the others are traced for much longer


def generate(theirs, ids, **entries):
    import torch
    from transformers import GenerationConfig

    return theirs.generate(
        torch.tensor(ids),
        attention_mask=torch.ones(ids.shape, dtype=torch.int64),
        generation_config=GenerationConfig(**entries),
    ).numpy()


def filled(found, width):
    """Theirs ends with the longest row, ours is filled with padding."""
    room = np.full((len(found), width - found.shape[1]), PADDING)
    return np.concatenate([found, room], axis=1)


@pytest.mark.parametrize(
    ("name", "num_beams"),
    [
        pytest.param(
            name,
            number,
            marks=() if (name, number) in BY_DEFAULT else pytest.mark.full,
        )
        for name in FILES
        for number in (1, 2, 4)
    ],
)
def test_a_published_file_is_honoured(name, num_beams, rng, tmp_path):
    pytest.importorskip("torch", reason="the oracle")
    case_name, file = FILES[name]
    case = CASES[case_name]
    kind = case.classes[-1] if "CausalLM" in case.classes else "EncoderDecoder"
    room = {n: x for n, x in ROOM.items() if n in case.entries}
    case = case._replace(entries={**case.entries, **room})
    theirs = oracle.make(case, kind)
    ids = rng.integers(3, 37, (4, 6))
    entries = {**IDS, "num_beams": num_beams, "max_new_tokens": 20}
    plain = generate(theirs, ids, **entries)
    is_pair = kind == "EncoderDecoder"
    longest = plain[(plain != PADDING).sum(axis=1).argmax()]
    asked = file(1 if is_pair else ids.shape[1], longest.tolist())
    if "max_length" in asked:
        del entries["max_new_tokens"]
    entries.update(asked)
    expected = generate(theirs, ids, **entries)
    assert expected.shape != plain.shape or (expected != plain).any()

    theirs.save_pretrained(tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(entries))
    ours = getattr(keras_attention, kind).from_preset(tmp_path)
    generator = Generator.from_model(ours, jit_compile=False)
    if is_pair:
        found = generator(source_ids=ids)["token_ids"]
    else:
        lengths = np.full(len(ids), ids.shape[1])
        found = generator(ids, prompt_lengths=lengths)["token_ids"]
    np.testing.assert_array_equal(found, filled(expected, found.shape[1]))


@pytest.mark.full
def test_an_old_config_counts_and_is_written_anew(rng, tmp_path):
    pytest.importorskip("torch", reason="the oracle")
    from transformers import BartForConditionalGeneration as Theirs

    case = CASES["bart"]
    case = case._replace(
        entries={**case.entries, "max_position_embeddings": 40}
    )
    oracle.make(case, "EncoderDecoder").save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    path = tmp_path / "config.json"
    entries = {**json.loads(path.read_text()), **SUMMARY, **IDS, "num_beams": 3}
    path.write_text(json.dumps(entries))
    ids = rng.integers(3, 37, (4, 6))
    expected = generate(Theirs.from_pretrained(tmp_path), ids)
    ours = keras_attention.EncoderDecoder.from_preset(tmp_path)
    generator = Generator.from_model(ours, jit_compile=False)
    found = generator(source_ids=ids)["token_ids"]
    np.testing.assert_array_equal(found, filled(expected, found.shape[1]))
    ours.to_huggingface(tmp_path / "written")
    again = generate(Theirs.from_pretrained(tmp_path / "written"), ids)
    np.testing.assert_array_equal(again, expected)
