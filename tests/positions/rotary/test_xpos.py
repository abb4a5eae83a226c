"""Rotation that fades, beside rotary_embedding_torch and its definition."""

import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, TransformerDecoder, XPos
from tests.positions.rotary.test_rotary import by_definition
from tests.tools import gradients, near, randomize, to_numpy

LENGTH, HEADS, HEAD_DIM = 11, 3, 10


def scales(positions, scale_base=512.0, head_dim=HEAD_DIM, gamma=0.4):
    """The definition: what queries are multiplied by, for each pair."""
    pairs = head_dim // 2
    zeta = (np.arange(pairs) / pairs + gamma) / (1 + gamma)
    return zeta ** (np.asarray(positions)[..., None, None] / scale_base)


def by_pairs(scale, interleaved):
    if interleaved:
        return np.repeat(scale, 2, axis=-1)
    return np.concatenate([scale, scale], axis=-1)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("start", [0, 3, 1999])
@pytest.mark.parametrize("scale_base", [512.0, 77])
def test_it_is_rotation_times_powers(rng, interleaved, start, scale_base):
    x = rng.normal(size=(2, LENGTH, HEADS, HEAD_DIM)).astype("float32")
    positions = np.arange(start, start + LENGTH)
    layer = XPos(base=599.0, scale_base=scale_base, interleaved=interleaved)
    rotated = by_definition(x, positions, base=599.0, interleaved=interleaved)
    scale = by_pairs(scales(positions, scale_base), interleaved)
    query, key = (
        to_numpy(layer.rotate(x, positions, role)) for role in ("query", "key")
    )
    near(query / scale, rotated, 2e-5)
    near(key * scale, rotated, 2e-5)


@pytest.mark.parametrize("length", [LENGTH, 24, 301])
def test_it_is_that_of_rotary_embedding_torch(rng, length):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs = pytest.importorskip("rotary_embedding_torch", reason="the oracle")
    query, key = rng.normal(size=(2, 2, length, HEADS, HEAD_DIM)).astype(
        "float32"
    )
    oracle = theirs.RotaryEmbedding(
        HEAD_DIM, use_xpos=True, seq_before_head_dim=True
    )
    expected = oracle.rotate_queries_and_keys(
        torch.tensor(query), torch.tensor(key)
    )
    expected = [x.detach().numpy() for x in expected]
    layer, positions = XPos(interleaved=True), np.arange(length)
    found = [
        to_numpy(layer.rotate(x, positions, role))
        for x, role in ((query, "query"), (key, "key"))
    ]
    # Theirs are scaled from the middle of the sequence on, which cancels.
    middle = by_pairs(scales(length // 2), interleaved=True)[0]
    near(found[0] / middle, expected[0])
    near(found[1] * middle, expected[1])
    products = [
        np.einsum("bthd,bshd->bhts", *pair) for pair in (found, expected)
    ]
    near(products[0], products[1], 3e-5)


@pytest.mark.parametrize("distance", [0, 5, 613])
def test_products_depend_on_the_distance_alone(rng, distance):
    layer = XPos()
    query, key = rng.normal(size=(2, 1, 1, HEADS, HEAD_DIM)).astype("float32")
    products = [
        np.sum(
            to_numpy(layer.rotate(query, np.array([p + distance]), "query"))
            * to_numpy(layer.rotate(key, np.array([p]), "key")),
            axis=-1,
        )
        for p in (0, 97, 20_011)
    ]
    near(products[1], products[0])
    near(products[2], products[0], atol=1e-4)


def test_products_with_earlier_keys_fade():
    layer = XPos()
    x = np.ones((1, 1, 1, 2), "float32")
    query = to_numpy(layer.rotate(x, np.array([512]), "query"))
    for place, expected in ((0, 0.4 / 1.4), (1024, 1.4 / 0.4)):
        key = to_numpy(layer.rotate(x, np.array([place]), "key"))
        near(np.sum(query * key), 2 * np.cos(512) * expected, 2e-5)


def test_positions_may_carry_leading_axes(rng):
    x = rng.normal(size=(2, LENGTH, HEADS, HEAD_DIM)).astype("float32")
    positions = rng.integers(0, 99, size=(2, LENGTH))
    layer = XPos(fraction=0.6)
    expected = np.stack(
        [
            to_numpy(layer.rotate(x[i : i + 1], positions[i], "key"))[0]
            for i in range(2)
        ]
    )
    near(layer.rotate(x, positions, "key"), expected)
    near(expected[..., 6:], x[..., 6:], 0)


@pytest.mark.parametrize(
    ("dtype", "max_length"),
    [
        ("float16", 3400),
        ("mixed_float16", 3400),
        ("bfloat16", 26_158),
        ("float32", 26_158),
        ("float64", 26_158),
    ],
)
def test_the_range_is_that_of_the_documentation(dtype, max_length):
    layer = XPos(dtype=dtype)
    assert layer.max_length == max_length
    dtype = layer.compute_dtype
    pair = np.array([16.0, 0.0]).reshape(1, 1, 1, 2)
    x = ops.convert_to_tensor(pair)
    if dtype != "float64":  # which JAX lacks, and says so
        x = ops.cast(x, dtype)
    positions = np.array([max_length - 1])
    growth = 1 / scales(positions, head_dim=2).item()
    for role, expected in (("query", 16 / growth), ("key", 16 * growth)):
        rotated = layer.rotate(x, positions, role)
        assert rotated.dtype == x.dtype
        length = np.linalg.norm(to_numpy(rotated).astype("float64"))
        near(length, expected, 0, 1e-2)


def test_all_of_the_range_can_be_attended_to_in_float16(rng):
    """A slope 64 times as steep, so that few positions are enough."""
    position = XPos(scale_base=8, dtype="float16")
    length = position.max_length
    assert length == 54
    x = rng.normal(size=(2, length, 12)).astype("float32")
    layer = MultiHeadAttention(2, position=position, dtype="float16")
    layer.build(x.shape)
    exact = MultiHeadAttention(2, position=XPos(scale_base=8))
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())

    def loss(x):
        output = layer(ops.cast(x, "float16"), use_causal_mask=True)
        return ops.sum(ops.cast(output, "float32") ** 2)

    expected = to_numpy(exact(x, use_causal_mask=True))
    found = layer(
        ops.cast(ops.convert_to_tensor(x), "float16"), use_causal_mask=True
    )
    near(found, expected, 2e-2, 2e-2)
    _, found = gradients(loss, x, layer=layer)
    assert all(np.isfinite(gradient).all() for gradient in found)


def test_a_sequence_beyond_the_range_is_refused(rng):
    x = ops.zeros((1, 3401, 1, 2), dtype="float16")
    message = "XPos has positions up to max_length=3400.*3401"
    with pytest.raises(ValueError, match=message):
        XPos().rotate(x, np.arange(3401), "key")
    decoder = TransformerDecoder(11, 1, 8, 2, position="xpos", dtype="float16")
    with pytest.raises(ValueError, match=message.replace(".*3401", ".*4000")):
        decoder.init_cache(1, 4000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_base": 0}, "scale_base.*0"),
        ({"scale_base": "512"}, "scale_base.*'512'"),
        ({"base": 0.5}, "base.*0.5"),
        ({"fraction": 2.0}, "fraction.*2.0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        XPos(**options)


def test_features_that_make_no_pairs_are_refused():
    with pytest.raises(ValueError, match="XPos rotates pairs.*head_dim=7"):
        XPos().build((None, None, 2, 7))


def test_a_decoder_takes_it_by_name(rng):
    decoder = TransformerDecoder(11, 1, 12, 2, position="xpos")
    assert isinstance(decoder.position, XPos)
    randomize(decoder, rng)
    near(
        decoder(np.array([[3, 4, 5, 6]]))[:, :3],
        decoder(np.array([[3, 4, 5]])),
    )
