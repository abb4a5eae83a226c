"""Rotary embeddings as files of several years describe them."""

import json

import numpy as np
import pytest

from keras_attention import CausalLM, RotaryEmbedding, zoo
from keras_attention.zoo.core.configuration import Configuration
from keras_attention.zoo.core.rotary import rotary
from tests.tools import near_by_size, to_numpy
from tests.zoo import oracle
from tests.zoo.cases import CASES


def of(**entries):
    """The encoding that a file asks for."""
    c = Configuration("config.json", {"max_position_embeddings": 64, **entries})
    return RotaryEmbedding(**rotary(c)["config"])


def test_files_of_two_versions_say_the_same():
    scaling = {"factor": 4.0, "original_max_position_embeddings": 16}
    old = of(rope_theta=77.0, rope_scaling={"type": "yarn", **scaling})
    new = of(
        rope_parameters={"rope_theta": 77.0, "rope_type": "yarn", **scaling}
    )
    ours = {"type": "yarn", "factor": 4.0, "original_max_length": 16}
    same = RotaryEmbedding(base=77.0, scaling=ours)
    assert old.scaling == new.scaling == same.scaling
    assert old.base == new.base == 77.0


def test_what_a_file_leaves_out():
    assert of().base == 10_000.0 and of().scaling is None
    assert of(rope_scaling=None, rope_theta=5.0).base == 5.0
    with pytest.raises(ValueError, match="partial_rotary_factor=0.5"):
        of(partial_rotary_factor=0.5)  # Phi-3 alone honours it
    yarn = of(rope_scaling={"rope_type": "yarn", "factor": 2.0})
    assert yarn.scaling["original_max_length"] == 64
    given = {"rope_type": "yarn", "factor": None}
    yarn = of(rope_scaling=given, original_max_position_embeddings=16)
    assert yarn.scaling["factor"] == 4.0
    dynamic = of(rope_scaling={"type": "dynamic", "factor": 2.0})
    assert dynamic.scaling["original_max_length"] == 64


@pytest.mark.parametrize("kind", ["su", "yarn", "longrope"])
def test_early_files_of_phi3_have_other_names_for_longrope(kind):
    given = {"type": kind, "short_factor": [1.0], "long_factor": [2.0]}
    found = of(rope_scaling=given, original_max_position_embeddings=16)
    assert found.scaling["type"] == "longrope"
    assert found.scaling["factor"] == 4.0
    assert found.scaling["original_max_length"] == 16


def test_unknown_scalings_are_refused_by_their_names():
    with pytest.raises(ValueError, match="'lama3'.*Did you mean 'llama3'"):
        of(rope_scaling={"rope_type": "lama3"})
    for given in ({"factor": "2"}, {"rope_theta": "x"}):
        with pytest.raises(ValueError, match=f"config.json has {min(given)}="):
            of(rope_parameters={"rope_type": "linear", **given})
    nested = {"full_attention": {"rope_type": "default"}}
    with pytest.raises(ValueError, match="each type of layer"):
        of(rope_parameters=nested)


@pytest.mark.parametrize("name", ["llama_other", "qwen3_other", "phi3_other"])
def test_a_file_of_before_version_5_is_read(name, rng, tmp_path):
    case = CASES[name]
    theirs = oracle.make(case, "CausalLM")
    theirs.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    entries = json.loads(path.read_text())
    given = entries.pop("rope_parameters")
    entries["rope_theta"] = given.pop("rope_theta")
    entries["rope_scaling"] = {"type": given.pop("rope_type"), **given}
    path.write_text(json.dumps(entries))
    ours = CausalLM.from_preset(tmp_path)
    ids = case.ids(rng, padding_id=2)
    mask = np.ones(ids.shape, bool)
    expected = oracle.call(theirs, ids, padding_mask=mask)
    near_by_size(to_numpy(ours(ids)), expected, 1e-4)


def test_layers_of_an_unknown_kind_are_refused():
    entries = {
        **CASES["qwen2"].entries,
        "layer_types": ["chunked_attention"] * 2,
    }
    family = zoo.find_family("qwen2")
    with pytest.raises(ValueError, match="'chunked_attention'; known are"):
        family.parts(family.configuration("config.json", entries))
