"""Published sizes say what `transformers` would read."""

import pytest

from keras_attention import zoo
from tests.zoo import oracle


@pytest.mark.parametrize("name", zoo.sizes())
def test_every_size_has_entries_that_theirs_knows(name):
    package = oracle.transformers()
    family = zoo.sizes()[name]
    entries = family.sizes[name]
    theirs = package.AutoConfig.for_model(family.model_types[0], **entries)
    for entry, value in entries.items():
        if entry not in ("rope_theta", "rope_scaling"):
            assert getattr(theirs, entry) == value, entry
    assert family.parts(family.configuration(name, entries))
