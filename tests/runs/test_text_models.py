"""Models that the options of a recipe describe."""

import dataclasses

import pytest

from keras_attention.runs.text_models import make_model
from keras_attention.runs.text_to_text import TextToTextOptions


@dataclasses.dataclass
class Options(TextToTextOptions):
    """With the lengths that only some recipes have."""

    max_source_length: int = 700
    min_length: int = 40


@pytest.mark.full
def test_parts_made_for_a_length_fit_both_sides():
    config = Options(position="learned", max_length=30)
    model = make_model(config, 50, 50, copy=True)
    lengths = model.encoder.position.max_length, model.decoder.position
    assert (lengths[0], lengths[1].max_length) == (700, 40)
