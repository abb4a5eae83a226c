"""Every flavour that attends across serves in a recurrent decoder."""

import numpy as np
import pytest
from keras import ops

from keras_attention import RecurrentDecoder, attention
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import near, only, to_numpy

FLAVOURS = attention.describe()
CROSS = [
    name
    for name, about in FLAVOURS.items()
    if about["kind"] == "mixer" and about["cross_attention"]
]


@pytest.mark.full
@pytest.mark.parametrize("name", only({"multi_head", "additive"}, CROSS))
def test_a_flavour_by_its_name(rng, name):
    inputs = small.pairs(rng)
    for options in ({"attention_order": "before"}, {"input_feeding": True}):
        model = small_recurrent.model(
            rng,
            "at once",
            attention=name,
            num_layers=1,
            **options,
        )
        logits = to_numpy(model(inputs))
        assert np.isfinite(logits).all()
        memory = model.init_memory(inputs["source_ids"])
        cache = model.init_cache(3, 7)
        for start in range(4):
            piece = inputs["target_ids"][:, start : start + 1]
            step, cache = model.step(
                ops.convert_to_tensor(piece), cache, memory, start
            )
            near(step, logits[:, start])


@pytest.mark.parametrize("name", sorted(set(FLAVOURS) - set(CROSS)))
def test_others_are_refused(name):
    with pytest.raises(ValueError, match="cross-attention"):
        RecurrentDecoder(23, 1, 6, attention=name)
