"""Published encoders: their sizes, and what they refuse."""

import pytest

from keras_attention import TransformerEncoder, zoo
from keras_attention.zoo.core import fresh

# In thousands, without the pooler, as their papers and files have them.
COUNTS = {
    "camembert_base": 110_031,
    "distilbert_base": 66_363,
    "distilbert_base_multilingual": 134_734,
    "longformer_base": 148_069,
    "longformer_large": 433_551,
    "phobert_base": 134_408,
    "roberta_base": 124_055,
    "roberta_large": 354_310,
    "xlm_roberta_base": 277_453,
    "xlm_roberta_large": 558_841,
}


@pytest.mark.parametrize("name", COUNTS)
def test_sizes_have_as_many_weights_as_published(name):
    with fresh.without_numbers():
        model = TransformerEncoder.from_preset(name, load_weights=False)
    assert round(model.count_params() / 1000) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("roberta", {"is_decoder": True}),
        ("roberta", {"add_cross_attention": True}),
        ("roberta", {"position_embedding_type": "relative_key"}),
        ("xlm-roberta", {"hidden_act": "sine"}),
        ("longformer", {"attention_window": 7}),
        ("longformer", {"attention_window": [4, 4]}),
    ],
)
def test_what_cannot_be_honoured_is_refused(name, entries):
    family = zoo.find_family(name)
    config = family.configuration("config.json", entries)
    with pytest.raises(ValueError, match=f"has {min(entries)}="):
        family.parts(config)
