"""Published sizes say what `transformers` would read."""

import pytest

from keras_attention import TokenEmbedding, zoo
from tests.zoo import oracle

READABLE = [name for name, f in zoo.sizes().items() if f.model_types]


@pytest.mark.full
@pytest.mark.parametrize("name", READABLE)
def test_every_size_has_entries_that_theirs_knows(name):
    package = oracle.transformers()
    family = zoo.sizes()[name]
    entries = family.sizes[name]
    theirs = package.AutoConfig.for_model(family.model_types[0], **entries)
    for entry, value in entries.items():
        # Version 5 says tied of T5 until it reads a file that is not.
        if entry not in ("rope_theta", "rope_scaling", "tie_word_embeddings"):
            assert getattr(theirs, entry) == value, entry
    assert family.parts(family.configuration(name, entries))


@pytest.mark.parametrize("padding_id", [None, -1])
def test_a_file_may_name_no_padding_id(padding_id):
    family = zoo.find_family("llama")
    entries = {"pad_token_id": padding_id}
    parts = family.parts(family.configuration("config.json", entries))
    config = parts["decoder"]["embedding"]["config"]
    assert config["padding_id"] is None
    assert TokenEmbedding(7, 5, **config).padding_mask([[0, 1]]) is None
