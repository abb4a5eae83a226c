"""Rotary embedding against its definition and Hugging Face's."""

import numpy as np
import pytest
from keras import ops

from keras_attention import RotaryEmbedding
from tests.tools import near, to_numpy

LENGTH, HEADS, HEAD_DIM = 7, 3, 10


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, LENGTH, HEADS, HEAD_DIM)).astype("float32")


def by_definition(x, positions, base=10_000.0, fraction=1.0, interleaved=False):
    """The definition, by complex numbers in float64."""
    width = int(x.shape[-1] * fraction)
    pairs = width // 2
    frequencies = base ** (-np.arange(pairs) / pairs)
    factor = np.exp(1j * np.asarray(positions)[..., None, None] * frequencies)
    head = x[..., :width].astype("float64")
    if interleaved:
        first, second = head[..., ::2], head[..., 1::2]
    else:
        first, second = head[..., :pairs], head[..., pairs:]
    product = (first + 1j * second) * factor
    if interleaved:
        head = np.stack([product.real, product.imag], -1).reshape(head.shape)
    else:
        head = np.concatenate([product.real, product.imag], -1)
    return np.concatenate([head, x[..., width:]], -1)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("base", "fraction"), [(10_000.0, 1.0), (77.0, 0.4)])
def test_it_multiplies_by_powers_of_i(x, base, fraction, interleaved):
    options = {"base": base, "fraction": fraction, "interleaved": interleaved}
    layer = RotaryEmbedding(**options)
    positions = np.arange(5, 5 + LENGTH)
    for role in ("query", "key"):
        near(
            layer.rotate(x, positions, role),
            by_definition(x, positions, **options),
        )


@pytest.mark.parametrize("start", [10**6, 2_097_151 - LENGTH])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_far_positions_are_exact(x, start, dtype):
    x = to_numpy(ops.cast(ops.convert_to_tensor(x), dtype))
    positions = np.arange(start, start + LENGTH)
    layer = RotaryEmbedding(dtype=dtype)
    given = ops.cast(ops.convert_to_tensor(x), dtype)
    output = to_numpy(layer.rotate(given, positions, "query"))
    rounding = {"float32": 1e-5, "bfloat16": 2**-8, "float16": 2**-11}[dtype]
    expected = by_definition(x, positions)
    error = np.abs(output - expected)
    assert (error <= rounding * (1.01 * np.abs(expected) + 0.02 + 1)).all()


def test_float64_stays_float64(x):
    layer = RotaryEmbedding(dtype="float64")
    given = ops.convert_to_tensor(x.astype("float64"))
    output = layer.rotate(given, np.arange(LENGTH), "key")
    assert output.dtype == given.dtype


def test_products_depend_on_the_distance_alone(rng):
    layer = RotaryEmbedding()
    query, key = rng.normal(size=(2, 1, 1, HEADS, HEAD_DIM)).astype("float32")
    products = []
    for first, second in ((3, 1), (103, 101), (100_002, 100_000)):
        rotated = (
            to_numpy(layer.rotate(query, np.array([first]), "query")),
            to_numpy(layer.rotate(key, np.array([second]), "key")),
        )
        products.append(np.sum(rotated[0] * rotated[1], axis=-1))
    near(products[1], products[0])
    near(products[2], products[0])


def test_positions_may_carry_leading_axes(x, rng):
    layer = RotaryEmbedding()
    positions = rng.integers(0, 99, size=(2, LENGTH))
    expected = np.stack(
        [by_definition(row, p) for row, p in zip(x, positions, strict=True)]
    )
    near(layer.rotate(x, positions, "query"), expected)


def test_interleaved_pairs_are_those_of_gptj(x):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.gptj import modeling_gptj

    table = modeling_gptj.create_sinusoidal_positions(LENGTH, HEAD_DIM)
    sine, cosine = table[None].chunk(2, dim=-1)
    expected = modeling_gptj.apply_rotary_pos_emb(
        torch.tensor(x), sine, cosine
    ).numpy()
    layer = RotaryEmbedding(interleaved=True)
    near(layer.rotate(x, np.arange(LENGTH), "query"), expected)


def test_a_fraction_is_that_of_gpt_neox(x):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.gpt_neox import modeling_gpt_neox

    config = modeling_gpt_neox.GPTNeoXConfig(
        hidden_size=HEADS * HEAD_DIM,
        num_attention_heads=HEADS,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 77.0,
            "partial_rotary_factor": 0.4,
        },
    )
    oracle = modeling_gpt_neox.GPTNeoXRotaryEmbedding(config)
    heads = torch.tensor(x).transpose(1, 2)
    cosine, sine = oracle(heads, torch.arange(LENGTH)[None])
    assert cosine.shape[-1] == 4
    expected, _ = modeling_gpt_neox.apply_rotary_pos_emb(
        heads, heads, cosine, sine
    )
    layer = RotaryEmbedding(base=77.0, fraction=0.4)
    output = layer.rotate(x, np.arange(LENGTH), "query")
    near(output, expected.transpose(1, 2).numpy())


def test_config_makes_the_same_encoding():
    layer = RotaryEmbedding(base=7.0, fraction=0.5, interleaved=True)
    again = RotaryEmbedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("wrong", [0.0, -0.5, 1.5])
def test_a_fraction_outside_is_refused(wrong):
    with pytest.raises(ValueError, match=f"fraction.*{wrong}"):
        RotaryEmbedding(fraction=wrong)


@pytest.mark.parametrize(
    ("head_dim", "fraction"), [(7, 1.0), (8, 0.1), (6, 0.5)]
)
def test_features_that_make_no_pairs_are_refused(head_dim, fraction):
    with pytest.raises(ValueError, match=f"head_dim={head_dim}"):
        RotaryEmbedding(fraction=fraction).build((None, None, 2, head_dim))
