"""Models that were read generate what those of `transformers` do."""

import numpy as np
import pytest

import keras_attention
from keras_attention.generation import Generator
from tests.zoo import oracle
from tests.zoo.cases import CASES

# They take a padding id of 0 for none.
NEW, PADDING, END, START, LANGUAGE = 20, 1, 2, 5, 7
ROOM = {"n_positions": 40, "max_position_embeddings": 40}
# Without what transformers would force or forbid of its own accord.
PLAIN = {
    "do_sample": False,
    "early_stopping": False,
    "eos_token_id": END,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "bad_words_ids": None,
    "length_penalty": 1.0,
    "max_new_tokens": NEW,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "pad_token_id": PADDING,
}


def some(*names):
    """Each with one beam and more; by default the first with two."""
    return [
        pytest.param(
            name,
            number,
            marks=() if (name, number) == (names[0], 2) else pytest.mark.full,
        )
        for name in names
        for number in (1, 2, 4)
    ]


def both(name, kind, folder):
    """A model of theirs with room for the result, and what is read of it."""
    case = CASES[name]
    room = {n: x for n, x in ROOM.items() if n in case.entries}
    case = case._replace(entries={**case.entries, **room})
    theirs = oracle.make(case, kind)
    theirs.save_pretrained(folder)
    return theirs, getattr(keras_attention, kind).from_preset(folder)


def generate(model, prompt, num_beams, **inputs):
    search = {"strategy": "greedy"}
    if num_beams > 1:
        settings = {"num_beams": num_beams, "length_penalty": 1.0}
        search = {"strategy": "beam", "settings": settings}
    generator = Generator(
        model,
        max_length=prompt.shape[1] + NEW,
        end_id=END,
        padding_id=PADDING,
        jit_compile=False,
        **search,
    )
    lengths = np.full(len(prompt), prompt.shape[1])
    return generator(prompt, prompt_lengths=lengths, **inputs)["token_ids"]


def same(found, expected):
    """Theirs ends with the longest row; ours is filled with padding."""
    filled = np.full(found.shape, PADDING)
    filled[:, : expected.shape[1]] = expected
    np.testing.assert_array_equal(found, filled)


@pytest.mark.parametrize(("name", "num_beams"), some("gpt2", "llama", "qwen3"))
def test_decoders(name, num_beams, rng, tmp_path):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs, ours = both(name, "CausalLM", tmp_path)
    prompt = rng.integers(3, 37, (3, 6))
    expected = theirs.generate(
        torch.tensor(prompt),
        attention_mask=torch.ones(prompt.shape, dtype=torch.int64),
        num_beams=num_beams,
        **PLAIN,
    )
    same(generate(ours, prompt, num_beams), expected.numpy())


@pytest.mark.parametrize(
    ("name", "num_beams"), some("m2m_100", "t5", "bart", "marian", "pegasus")
)
def test_pairs(name, num_beams, rng, tmp_path):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs, ours = both(name, "EncoderDecoder", tmp_path)
    source = rng.integers(3, 37, (3, 6))
    options = {**PLAIN, "decoder_start_token_id": START}
    prompt = np.full((3, 1), START)
    if name == "m2m_100":
        options.update(forced_bos_token_id=LANGUAGE)
        prompt = np.array([[START, LANGUAGE]] * 3)
        options["max_new_tokens"] = NEW + 1
    expected = theirs.generate(
        torch.tensor(source),
        attention_mask=torch.ones(source.shape, dtype=torch.int64),
        num_beams=num_beams,
        **options,
    )
    found = generate(ours, prompt, num_beams, source_ids=source)
    same(found, expected.numpy())
