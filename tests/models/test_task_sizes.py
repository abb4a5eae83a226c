import numpy as np
import pytest

from keras_attention import (
    SlidingWindowAttention,
    TransformerDecoder,
    TransformerEncoder,
    config_for_task,
)
from tests.models import small
from tests.tools import near

SIZES = {
    "nlp": (768, 12, 3072, 12),
    "vision": (512, 8, 2048, 6),
    "long_sequence": (512, 8, 2048, 12),
}
NAMES = ("hidden_dim", "num_heads", "intermediate_dim", "num_layers")


@pytest.mark.parametrize("task", SIZES)
def test_sizes_are_the_known_ones(task):
    config = config_for_task(task)
    assert tuple(config[name] for name in NAMES) == SIZES[task]


@pytest.mark.parametrize("cls", [TransformerEncoder, TransformerDecoder])
@pytest.mark.parametrize("task", SIZES)
def test_a_model_is_made_of_them(cls, task):
    # One layer of it: all of them take seconds to draw.
    config = {**config_for_task(task), "num_layers": 1}
    model = cls(23, **config)
    assert model(np.ones((2, 5), int)).shape == (2, 5, config["hidden_dim"])
    made = model.get_config()
    assert {name: made[name] for name in config} == config


@pytest.mark.slow
@pytest.mark.parametrize("cls", [TransformerEncoder, TransformerDecoder])
@pytest.mark.parametrize("task", SIZES)
def test_a_whole_model_is_made_of_them(cls, task):
    config = config_for_task(task)
    model = cls(23, **config)
    assert len(model.blocks) == config["num_layers"]
    assert model(np.ones((1, 3), int)).shape == (1, 3, config["hidden_dim"])


@pytest.mark.full
def test_long_sequences_have_windows_that_decode(rng):
    attention = config_for_task("long_sequence")["attention"]
    decoder = small.decoder(rng, attention=attention)
    layer = decoder.blocks[0].attention
    assert type(layer) is SlidingWindowAttention and layer.window_size == 256
    token_ids = small.ids(rng, 7, ragged=False)
    expected = decoder(token_ids)
    cache = decoder.init_cache(3, 7)
    for start, stop in ((0, 4), (4, 7)):
        found, cache = decoder(
            token_ids[:, start:stop], cache=cache, start=start
        )
        near(found, expected[:, start:stop])


def test_every_caller_has_a_dictionary_to_change():
    config = config_for_task("long_sequence")
    config["attention"]["config"]["window_size"] = 3
    config.pop("num_layers")
    again = config_for_task("long_sequence")
    assert again["attention"]["config"] == {"window_size": 256}
    assert again["num_layers"] == 12


@pytest.mark.parametrize("task", ["audio", "NLP", None, ["nlp"]])
def test_another_task_is_refused_with_those_there_are(task):
    with pytest.raises(ValueError, match="nlp, vision, long_sequence.*task="):
        config_for_task(task)
