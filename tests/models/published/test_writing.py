"""Folders that `to_huggingface` writes, and those that it keeps."""

import pytest

from keras_attention import CausalLM, EncoderDecoder
from keras_attention.generation import Generator
from tests.models.published.test_reading import fresh


def test_a_model_of_ours_is_not_replaced(tmp_path):
    model = fresh("gpt2", "CausalLM", tmp_path / "theirs")
    model.save_to_preset(tmp_path / "ours")
    before = {x: x.read_bytes() for x in (tmp_path / "ours").iterdir()}
    with pytest.raises(ValueError, match="save_to_preset and is not replaced"):
        model.to_huggingface(tmp_path / "ours")
    assert before == {x: x.read_bytes() for x in before}
    assert {*(tmp_path / "ours").iterdir()} == {*before}


@pytest.mark.full
def test_how_another_model_generates_goes_with_it(tmp_path):
    fresh("bart", "EncoderDecoder", tmp_path)
    path = tmp_path / "generation_config.json"
    assert path.exists()
    model = fresh("gpt2", "CausalLM", tmp_path / "other")
    model.to_huggingface(tmp_path)
    assert not path.exists()


@pytest.mark.full
def test_a_folder_that_says_nothing_of_generation_is_kept_so(rng, tmp_path):
    model = fresh("gpt2", "CausalLM", tmp_path / "theirs")
    assert model.generation == {}
    model.save_to_preset(tmp_path / "ours")
    again = CausalLM.from_preset(tmp_path / "ours")
    assert again.generation == {}
    generator = Generator.from_model(again, max_length=5, jit_compile=False)
    assert generator(rng.integers(3, 37, (2, 3)))["token_ids"].shape == (2, 5)


@pytest.mark.full
def test_what_does_not_generate_is_refused(tmp_path):
    model = fresh("bart", "EncoderDecoder", tmp_path)
    for make in (Generator.from_model, lambda x: Generator(x, end_id=2)):
        with pytest.raises(ValueError, match="Received: TransformerEncoder"):
            make(model.encoder)
    assert isinstance(model, EncoderDecoder)
