"""What a search keeps is known before it begins."""

import keras
import numpy as np
import pytest

from keras_attention import (
    RecurrentEncoderDecoder,
    TransformerDecoder,
    attention,
    memory,
)
from keras_attention.generation.constraints import Constraints
from keras_attention.generation.generator import Generator
from keras_attention.generation.logits_processors import make_processor
from keras_attention.generation.prompts import read_prompt
from keras_attention.generation.search_memory import bytes_of_row
from tests.tools import to_numpy

CACHED = [
    name
    for name, about in attention.describe().items()
    if about["kind"] == "mixer" and about["cache"] and about["causal_mask"]
]


def decoder(**arguments):
    return TransformerDecoder(
        11, 2, 24, 2, intermediate_dim=5, position=None, **arguments
    )


@pytest.mark.few
@pytest.mark.parametrize("name", CACHED)
def test_the_cache_of_every_flavour_is_counted_as_it_is(name):
    model = decoder(attention=name)
    cache = keras.tree.flatten(model.init_cache(1, 13))
    size = sum(to_numpy(leaf).nbytes for leaf in cache)
    assert bytes_of_row(model, 13) == size + 4 * 13 + 4 * 11
    with_beams = 3 * (size + 3 * 4 * 13 + 4 * 11)
    assert bytes_of_row(model, 13, 3) == with_beams


def test_caches_count_in_the_type_that_they_have():
    whole, half = decoder(), decoder(dtype="bfloat16")
    numbers = 2 * 2 * 13 * 24
    assert bytes_of_row(whole, 13) - bytes_of_row(half, 13) == 2 * numbers


@pytest.mark.full
def test_a_cache_that_does_not_grow_does_not_count_more():
    window = {"class_name": "sliding_window", "config": {"window_size": 3}}
    for given in (window, "gated_linear"):
        model = decoder(attention=given)
        grown = bytes_of_row(model, 2000) - bytes_of_row(model, 1000)
        assert grown == 4 * 1000
    model = RecurrentEncoderDecoder(11, 2, 6)
    assert bytes_of_row(model, 2000) - bytes_of_row(model, 1000) == 4 * 1000


def test_a_cache_that_only_a_call_can_make_does_not_count():
    class Model:
        def init_cache(self, batch_size, max_length):
            raise TypeError("not yet")

    assert bytes_of_row(Model(), 13, 2) == 2 * 3 * 4 * 13


def test_a_length_beyond_the_memory_is_refused():
    with pytest.raises(
        ValueError, match="max_length=10000000000 and a batch of 1"
    ):
        Generator(decoder(), max_length=10**10, end_id=2)


def test_beams_beyond_the_memory_are_refused():
    with pytest.raises(ValueError, match="num_beams=10000, max_length=1000000"):
        Generator(
            decoder(),
            max_length=10**6,
            end_id=2,
            strategy="beam",
            settings={"num_beams": 10**4},
        )


def test_more_beams_than_anybody_searches_with_are_refused_however_small():
    with pytest.raises(ValueError, match="from 1 to 10000. .*=1000000"):
        Generator(
            RecurrentEncoderDecoder(11, 1, 1),
            max_length=2,
            end_id=2,
            strategy="beam",
            settings={"num_beams": 10**6},
        )


@pytest.mark.full
def test_a_batch_beyond_the_memory_is_refused_and_a_part_of_it_is_not(
    monkeypatch,
):
    model = decoder()
    limit = 3 * bytes_of_row(model, 9)
    monkeypatch.setattr(memory, "machine_memory", lambda: limit)
    generator = Generator(model, max_length=9, end_id=2)
    prompt = np.full((4, 1), 5, "int32")
    with pytest.raises(ValueError, match="a batch of 4 need at least"):
        generator(prompt)
    assert generator(prompt[:3])["token_ids"].shape == (3, 9)
    assert generator(prompt[:3].tolist())["token_ids"].shape == (3, 9)


def test_an_ngram_longer_than_the_result_takes_no_time(monkeypatch):
    prompt = read_prompt([[5]], max_length=9, padding_id=0)

    def forbid(size):
        return make_processor(Constraints(no_repeat_ngram_size=size), prompt)

    assert forbid(10**12) is None
    assert forbid(9) is None
    row = np.full((1, 9), 5, "int32")
    left = to_numpy(forbid(8)(np.zeros((1, 11), "float32"), row, 8))
    assert left[0, 5] == -np.inf and np.isfinite(left[0]).sum() == 10
