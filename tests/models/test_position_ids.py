"""Positions of the caller's own, by which rotary encodings rotate."""

import numpy as np
import pytest

from keras_attention import (
    CausalLM,
    TransformerDecoder,
    TransformerEncoder,
    attention,
)
from tests.tools import near, near_by_size, randomize, to_numpy
from tests.zoo import oracle
from tests.zoo.cases import CASES

VOCABULARY, LENGTH = 23, 8
MIXERS = [
    name
    for name, given in attention.compatibility().items()
    if given["rotary"] is None
]
# Its global tokens are rotated by places.
BY_PLACES = {"longformer"}
USUAL = {"multi_head", "longformer"}


def encoder(rng, cls=TransformerEncoder, **options):
    options = {"position": "rotary", "dropout": 0.0, **options}
    return randomize(cls(VOCABULARY, 2, 8, 2, **options), rng)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in USUAL else pytest.mark.full)
        for name in MIXERS
    ],
)
def test_a_flavour_honours_positions_or_refuses_them(name, rng):
    is_causal = attention.describe()[name]["causal_mask"]
    cls = TransformerDecoder if is_causal else TransformerEncoder
    model = encoder(rng, cls, attention=name)
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    places = np.tile(np.arange(LENGTH), (2, 1))
    if name in BY_PLACES:
        with pytest.raises(ValueError, match="does not support position_ids"):
            model(ids, position_ids=places)
        return
    plain = to_numpy(model(ids))
    near(model(ids, position_ids=places), plain)
    places[1] = places[1] // 2
    found = to_numpy(model(ids, position_ids=places))
    near(found[0], plain[0])
    assert np.abs(found[1] - plain[1]).max() > 1e-4


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_positions_are_those_of_transformers(name, rng, tmp_path):
    case = CASES[name]
    theirs = oracle.make(case, "CausalLM")
    theirs.save_pretrained(tmp_path)
    ours = CausalLM.from_preset(tmp_path)
    ids = rng.integers(3, 37, (3, 9))
    # Padding on the left, and two texts in a row.
    mask = np.ones(ids.shape, bool)
    mask[0, :3] = False
    places = np.maximum(mask.cumsum(axis=1) - 1, 0)
    places[2, 5:] -= 5
    inputs = {"padding_mask": mask, "position_ids": places}
    expected = oracle.call(theirs, ids, **inputs)
    found = to_numpy(ours({"token_ids": ids, **inputs}))
    near_by_size(found[mask], expected[mask], 1e-4)
    # Theirs keep texts apart by themselves where there is no mask.
    theirs.config.use_cache = False
    text = np.cumsum(places == 0, axis=1)
    seen = np.tril(text[:, :, None] == text[:, None, :])[2:]
    expected = oracle.call(theirs, ids[2:], position_ids=places[2:])
    inputs = {"position_ids": places[2:], "attention_mask": seen}
    near_by_size(ours({"token_ids": ids[2:], **inputs}), expected, 1e-4)


def test_cached_steps_take_positions_too(rng):
    model = encoder(rng, TransformerDecoder)
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    mask = np.ones((2, LENGTH), bool)
    mask[0, :3] = False
    places = np.maximum(mask.cumsum(axis=1) - 1, 0)
    whole = model(ids, padding_mask=mask, position_ids=places)
    cache, found = model.init_cache(2, LENGTH), []
    for start, stop in ((0, 5), (5, 6), (6, LENGTH)):
        hidden, cache = model(
            ids[:, start:stop],
            padding_mask=mask[:, start:stop],
            position_ids=places[:, start:stop],
            cache=cache,
            start=start,
        )
        found.append(to_numpy(hidden))
    found = np.concatenate(found, axis=1)
    near(found[mask], to_numpy(whole)[mask])
    # A text that is padded on the left is the text alone.
    near(found[:1, 3:], model(ids[:1, 3:]))


def test_layers_without_positions_have_none(rng):
    model = encoder(rng, position=["rotary", None])
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    places = np.arange(LENGTH)[None]
    near(model(ids, position_ids=places + 7), model(ids))
    changed = model(ids, position_ids=2 * places)
    assert np.abs(to_numpy(changed) - to_numpy(model(ids))).max() > 1e-4


def test_a_model_within_a_model_counts_its_own(rng):
    model = encoder(rng)
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    expected = to_numpy(model(ids))
    others = np.zeros((2, 3), "int32")
    with model.position.positions_of_stack(0, 3, others):
        near(model(ids), expected)


@pytest.mark.parametrize(
    "position",
    [
        "alibi",
        *(pytest.param(x, marks=pytest.mark.full) for x in ("xpos", None)),
    ],
)
def test_other_encodings_refuse_positions_by_name(position, rng):
    model = encoder(rng, TransformerDecoder, position=position)
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    with pytest.raises(ValueError, match="takes no position_ids; .*Rotary"):
        model(ids, position_ids=ids)


def test_positions_that_do_not_fit_are_refused(rng):
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    for wrong in (ids[:, 1:], ids[0], np.concatenate([ids, ids])):
        with pytest.raises(ValueError, match="position_ids must have"):
            encoder(rng)(ids, position_ids=wrong)
    model = encoder(rng, TransformerDecoder, segment_memory=4)
    segments = model.init_segments(2)
    with pytest.raises(ValueError, match="leave out position_ids"):
        model(ids, position_ids=ids, segments=segments)
