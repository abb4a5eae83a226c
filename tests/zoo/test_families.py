"""Every family reads and writes models of `transformers`, and agrees."""

import fnmatch

import numpy as np
import pytest

import keras_attention
from keras_attention import zoo
from tests.tools import BACKEND, near_by_size, to_numpy
from tests.zoo import case as drawn
from tests.zoo import cases, oracle

# Elsewhere than on TensorFlow, these families stand for all by default.
SIX = {"bert", "gpt2", "llama", "t5", "bart", "vit"}


def marks(name, kind=None):
    """By default a family has its first case, as its second class, if any."""
    case = cases.CASES[name]
    first = next(n for n, c in cases.CASES.items() if c.family == case.family)
    usual = kind in (None, case.classes[:2][-1])
    known = BACKEND == "tensorflow" or case.family in SIX
    return () if name == first and usual and known else pytest.mark.full


PAIRS = [
    pytest.param(name, kind, id=f"{name}-{kind}", marks=marks(name, kind))
    for name, case in cases.CASES.items()
    for kind in case.classes
]


def of_class(kind):
    """The cases of a model class."""
    return [
        pytest.param(name, marks=marks(name))
        for name, case in cases.CASES.items()
        if kind in case.classes
    ]


def saved(case, kind, folder):
    theirs = oracle.make(case, kind)
    theirs.save_pretrained(folder)
    return theirs


def inputs_of(case, kind, rng):
    """Ids and further inputs, and the mask of what counts."""
    padding_id = case.entries.get("pad_token_id", 0) or 0
    ids = case.ids(rng, padding_id)
    mask = np.ones(ids.shape, bool)
    mask[1, -3:] = False
    return ids, mask, drawn.further_inputs(case, rng, ids.shape)


def target_of(case, rng):
    """Ids of a target, which may start with the padding id."""
    target = case.ids(rng, length=6)
    target[:, 0] = case.entries.get("decoder_start_token_id", 0)
    return target


def compare(case, kind, ours, theirs, rng):
    if case.image is not None:
        images = rng.normal(size=(3, *case.image)).astype("float32")
        near_by_size(ours(images), oracle.call_image(theirs, images), 1e-4)
        return
    ids, mask, further = inputs_of(case, kind, rng)
    if kind == "EncoderDecoder":
        target = target_of(case, rng)
        expected = oracle.call_pair(theirs, ids, target, mask, **further)
        found = ours(
            {
                "source_ids": ids,
                "target_ids": target,
                "source_padding_mask": mask,
                **{f"source_{name}": x for name, x in further.items()},
            }
        )
        near_by_size(found, expected, 1e-4)
        return
    further["padding_mask"] = mask
    expected = oracle.call(theirs, ids, **further)
    found = to_numpy(ours({"token_ids": ids, **further}))
    if found.ndim == 3:
        found, expected = found[mask], expected[mask]
    near_by_size(found, expected, 1e-4)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_model_of_theirs_is_read_and_written(name, kind, rng, tmp_path):
    case, cls = cases.CASES[name], getattr(keras_attention, kind)
    theirs = saved(case, kind, tmp_path / "theirs")
    ours = cls.from_preset(tmp_path / "theirs")
    compare(case, kind, ours, theirs, rng)
    ours.to_huggingface(tmp_path / "ours")
    again, info = type(theirs).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    # Nothing uses the second where its matrix is not that of the tokens.
    unused = "pooler", "cls.predictions.bias", "lm_head.bias"
    passed_over = zoo.find_family(case.family).passed_over
    lacking = [
        key
        for key in info["missing_keys"]
        if not any(part in key for part in unused)
        and not any(fnmatch.fnmatch(key, pattern) for pattern in passed_over)
    ]
    # A decoder keeps its own matrix for logits, which theirs does without.
    beside = set()
    if kind == "TransformerDecoder" and not ours.tie_embeddings:
        beside = {"lm_head.weight"}
    assert not lacking and set(info["unexpected_keys"]) == beside, info
    compare(case, kind, ours, again.eval(), rng)
    ours.save_to_preset(tmp_path / "preset")
    kept = cls.from_preset(tmp_path / "preset")
    compare(case, kind, kept, theirs, rng)
    assert kept.published == ours.published


@pytest.mark.parametrize("name", of_class("CausalLM"))
def test_cached_steps_are_the_full_pass(name, rng, tmp_path):
    case = cases.CASES[name]
    saved(case, "CausalLM", tmp_path)
    model = keras_attention.CausalLM.from_preset(tmp_path)
    ids = rng.integers(3, drawn.VOCABULARY, (2, 7))
    whole = to_numpy(model(ids))
    cache = model.init_cache(2, 7)
    logits, cache = model(ids[:, :4], cache=cache)
    near_by_size(logits, whole[:, :4], 2e-5)
    for place in range(4, 7):
        step, cache = model.step(ids[:, place : place + 1], cache, start=place)
        near_by_size(step, whole[:, place], 2e-5)


@pytest.mark.parametrize("name", of_class("EncoderDecoder"))
def test_cached_steps_of_a_pair_are_the_full_pass(name, rng, tmp_path):
    case = cases.CASES[name]
    saved(case, "EncoderDecoder", tmp_path)
    model = keras_attention.EncoderDecoder.from_preset(tmp_path)
    ids, mask, further = inputs_of(case, "EncoderDecoder", rng)
    target = target_of(case, rng)
    inputs = {
        "source_ids": ids,
        "target_ids": target,
        "source_padding_mask": mask,
        **{f"source_{name}": x for name, x in further.items()},
    }
    whole = to_numpy(model(inputs))
    memory = model.init_memory(ids, mask, **further)
    cache = model.init_cache(3, 6)
    for place in range(6):
        step, cache = model.step(
            target[:, place : place + 1], cache, memory, start=place
        )
        near_by_size(step, whole[:, place], 2e-5)


@pytest.mark.parametrize("family", zoo.FAMILIES, ids=lambda f: f.name)
def test_defaults_are_those_of_theirs(family):
    package = oracle.transformers()
    for model_type in family.model_types:
        theirs = package.AutoConfig.for_model(model_type)
        for entry, value in family.defaults.items():
            assert getattr(theirs, entry) == value, (model_type, entry)


def test_every_family_has_two_cases():
    counted = {}
    for case in cases.CASES.values():
        counted[case.family] = counted.get(case.family, 0) + 1
    for family in filter(lambda f: f.model_types, zoo.FAMILIES):
        assert max(counted.get(name, 0) for name in family.model_types) >= 2
