"""Stretched frequencies against Hugging Face's."""

import logging

import numpy as np
import pytest

from keras_attention import RotaryEmbedding
from keras_attention.positions.rotary.scaling import (
    attention_factor,
    read_scaling,
    scaled_frequencies,
)
from tests.tools import near

LENGTH, HEADS, HEAD_DIM = 13, 3, 22
YARN = {"type": "yarn", "factor": 4.0, "original_max_length": 67}
LLAMA = {
    "type": "llama3",
    "factor": 3.0,
    "original_max_length": 101,
    "low_freq_factor": 1.0,
    "high_freq_factor": 5.0,
}
SCALINGS = [
    {"type": "linear", "factor": 1.0},
    {"type": "linear", "factor": 3.7},
    YARN,
    {**YARN, "factor": 1.0},
    {**YARN, "original_max_length": 4099, "factor": 31.0},
    {**YARN, "truncate": False},
    {**YARN, "beta_fast": 11.0, "beta_slow": 0.7, "truncate": False},
    {**YARN, "beta_fast": 3.0, "beta_slow": 2.9},
    {**YARN, "attention_factor": 0.77},
    {**YARN, "mscale": 0.707, "mscale_all_dim": 1.3},
    {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
    LLAMA,
    {**LLAMA, "low_freq_factor": 0.3, "high_freq_factor": 0.9},
    {**LLAMA, "original_max_length": 8192},
    "llama3",
]


def theirs(scaling, base, head_dim, fraction=1.0):
    """The configuration of a Llama that scales alike."""
    pytest.importorskip("transformers", reason="the oracle")
    from transformers import LlamaConfig

    scaling = dict(read_scaling(scaling))
    scaling["rope_type"] = scaling.pop("type")
    original = scaling.pop("original_max_length", 67)
    if scaling["rope_type"] == "ntk":
        scaling["rope_type"] = "dynamic"
    else:
        scaling["original_max_position_embeddings"] = original
    scaling = {n: value for n, value in scaling.items() if value is not None}
    logging.disable(logging.WARNING)  # of factors without much sense
    try:
        return LlamaConfig(
            hidden_size=HEADS * head_dim,
            num_attention_heads=HEADS,
            head_dim=head_dim,
            max_position_embeddings=original,
            rope_parameters={
                "rope_theta": base,
                "partial_rotary_factor": fraction,
                **scaling,
            },
        )
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(("base", "dim"), [(10_000.0, 22), (599.0, 26)])
def test_frequencies_are_those_of_hugging_face(scaling, base, dim):
    config = theirs(scaling, base, dim)
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    complete = read_scaling(scaling)
    expected, factor = ROPE_INIT_FUNCTIONS[complete["type"]](config, "cpu")
    found = scaled_frequencies(dim // 2, base, complete)
    np.testing.assert_allclose(found, expected.numpy(), rtol=2e-6)
    assert attention_factor(complete) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("fraction", [1.0, 12 / 22])
def test_turned_heads_are_those_of_llama(rng, scaling, fraction):
    torch = pytest.importorskip("torch", reason="the oracle")
    config = theirs(scaling, 599.0, HEAD_DIM, fraction)
    from transformers.models.llama import modeling_llama

    x = rng.normal(size=(2, LENGTH, HEADS, HEAD_DIM)).astype("float32")
    layer = RotaryEmbedding(base=599.0, fraction=fraction, scaling=scaling)
    turned = int(HEAD_DIM * fraction)
    # Their Llama turns all of a head: the first part is one of its own.
    config.head_dim = turned
    config.rope_parameters["partial_rotary_factor"] = 1.0
    oracle = modeling_llama.LlamaRotaryEmbedding(config)
    heads = torch.tensor(x[..., :turned]).transpose(1, 2)
    positions = torch.arange(5, 5 + LENGTH)
    cosine, sine = oracle(heads, positions[None])
    expected, _ = modeling_llama.apply_rotary_pos_emb(
        heads, heads, cosine, sine
    )
    expected = expected.transpose(1, 2).numpy()
    expected = np.concatenate([expected, x[..., turned:]], axis=-1)
    near(layer.rotate(x, positions.numpy(), "query"), expected)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
def test_far_positions_are_exact(scaling, dtype):
    layer = RotaryEmbedding(scaling=scaling, dtype=dtype)
    positions = np.arange(10**6 - 2, 10**6 + 3)
    x = np.ones((1, 5, 1, HEAD_DIM), "float32")
    frequencies = scaled_frequencies(11, 1e4, layer.scaling)
    angles = positions[:, None].astype("float64") * frequencies
    sine, cosine = np.sin(angles), np.cos(angles)
    expected = np.concatenate([cosine - sine, cosine + sine], axis=-1)
    expected = expected * attention_factor(layer.scaling)
    near(layer.rotate(x, positions, "key")[0, :, 0], expected, 1e-4, 0)


@pytest.mark.parametrize("scaling", [None, YARN, "llama3"])
def test_products_depend_on_the_distance_alone(rng, scaling):
    layer = RotaryEmbedding(scaling=scaling)
    query, key = rng.normal(size=(2, 1, 1, HEADS, HEAD_DIM)).astype("float32")
    products = [
        np.sum(
            np.asarray(layer.rotate(query, np.array([first + 5]), "query"))
            * np.asarray(layer.rotate(key, np.array([first]), "key")),
            axis=-1,
        )
        for first in (0, 89, 10**6)
    ]
    near(products[1], products[0])
    near(products[2], products[0], atol=3e-5)


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ("pi", "linear, ntk, yarn, llama3.*'pi'"),
        ({"factor": 2.0}, "linear, ntk, yarn, llama3"),
        (3.0, r"scaling.*3\.0"),
        ("linear", "linear.*needs factor"),
        ("yarn", "needs factor, original_max_length"),
        ({"type": "ntk", "factor": 2.0}, "needs original_max_length"),
        (
            {"type": "linear", "factor": 2.0, "beta_fast": 3},
            "options factor; it does not know beta_fast",
        ),
        ({**YARN, "beta": 3}, "beta_fast, beta_slow.*does not know beta"),
        ({**YARN, "factor": 0.5}, "factor.*1 or more.*0.5"),
        ({**YARN, "factor": None}, "factor.*None"),
        ({**YARN, "factor": True}, "factor.*True"),
        ({**YARN, "original_max_length": 6.5}, "original_max_length.*6.5"),
        ({**YARN, "original_max_length": 0}, "original_max_length.*0"),
        ({**YARN, "truncate": 1}, "truncate.*True or False.*1"),
        ({**YARN, "beta_fast": -1.0}, "beta_fast.*positive.*-1.0"),
        ({**YARN, "beta_fast": 1.0}, "beta_slow.*less than beta_fast"),
        ({**YARN, "attention_factor": 0.0}, "attention_factor.*0.0"),
        ({**YARN, "mscale": 1.0}, "mscale and mscale_all_dim together"),
        (
            {**YARN, "mscale": 1.0, "mscale_all_dim": 1, "attention_factor": 1},
            "together.*Received: attention_factor, mscale",
        ),
        ({**LLAMA, "high_freq_factor": 0.5}, "less than high_freq_factor"),
    ],
)
def test_a_scaling_that_makes_no_sense_is_refused(scaling, message):
    with pytest.raises(ValueError, match=message):
        RotaryEmbedding(scaling=scaling)


@pytest.mark.parametrize("base", [1.0, -3.0, float("inf"), "10"])
def test_a_base_that_makes_no_sense_is_refused(base):
    with pytest.raises(ValueError, match=f"base.*{base}"):
        RotaryEmbedding(base=base)
