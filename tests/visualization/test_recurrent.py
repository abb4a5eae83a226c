"""Attention at each step of a recurrent decoder, as one picture."""

import numpy as np
import pytest

from keras_attention import attention_maps
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import near, to_numpy

NAME = "decoder/recurrence/attention"


@pytest.mark.parametrize("variant", ["bahdanau", "luong", "at once", "both"])
def test_every_step_stands_in_its_row(rng, variant):
    model, pairs = small_recurrent.model(rng, variant), small.pairs(rng)
    maps = attention_maps(model, pairs)
    assert list(maps) == maps.across == [NAME]
    weights = maps[NAME]
    heads = model.decoder.recurrence.attention.num_heads
    assert weights.shape == (3, heads, 7, 5)
    near(weights.sum(axis=-1), np.ones((3, heads, 7)))
    assert (weights[1, ..., 2:] == 0).all()  # padding of the source
    np.testing.assert_array_equal(
        maps.query_masks[NAME], pairs["target_ids"] > 0
    )
    # The weights of a step are those of the tokens up to it.
    early = {**pairs, "target_ids": pairs["target_ids"][:, :3]}
    near(attention_maps(model, early)[NAME], weights[:, :, :3])


def test_the_weights_are_those_of_the_state(rng):
    model, pairs = small_recurrent.model(rng, "at once"), small.pairs(rng)
    recurrence, seen = model.decoder.recurrence, []
    attention = recurrence.attention
    run = attention.run

    def watched(query, value, key, **inputs):
        seen.append((query, inputs["memory"]))
        return run(query, value, key, **inputs)

    vars(attention)["run"] = watched
    maps = attention_maps(model, pairs)
    del vars(attention)["run"]
    query, memory = seen[-1]
    near(
        maps[NAME], to_numpy(attention.attention_weights(query, memory=memory))
    )


@pytest.mark.full
def test_outputs_stay_the_same(rng):
    model, pairs = small_recurrent.model(rng, "both"), small.pairs(rng)
    before = to_numpy(model(pairs))
    attention_maps(model, pairs)
    np.testing.assert_array_equal(before, to_numpy(model(pairs)))


def test_a_model_without_attention_is_refused(rng):
    model = small_recurrent.model(rng, "none")
    with pytest.raises(ValueError, match="hold an attention layer"):
        attention_maps(model, small.pairs(rng))
