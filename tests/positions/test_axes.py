"""Rotary embedding by the rows and columns of a grid."""

import math

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    AxialAttention,
    MultiHeadAttention,
    RotaryEmbedding,
    TransformerDecoder,
)
from tests.positions.rotary.test_rotary import by_definition
from tests.tools import compiled, near, randomize, to_numpy

HEADS, HEAD_DIM, GRID = 3, 12, (5, 7)
CELLS = GRID[0] * GRID[1]


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, CELLS, HEADS, HEAD_DIM)).astype("float32")


def by_axes(x, positions, width, interleaved=False, **options):
    """The definition: each half of the pairs by one axis, in float64."""
    quarter = x.shape[-1] // 4
    if interleaved:
        halves = np.arange(2 * quarter), np.arange(2 * quarter, 4 * quarter)
    else:
        pairs = np.arange(4 * quarter).reshape(4, quarter)
        halves = np.append(pairs[0], pairs[2]), np.append(pairs[1], pairs[3])
    output = np.zeros(x.shape)
    places = positions // width, positions % width
    for half, place in zip(halves, places, strict=True):
        output[..., half] = by_definition(
            x[..., half], place, interleaved=interleaved, **options
        )
    return output


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("start", [0, 9])
def test_half_of_the_pairs_turn_by_each_axis(x, interleaved, start):
    positions = np.arange(start, CELLS)
    layer = RotaryEmbedding(
        base=77.0, interleaved=interleaved, axes=2, grid=GRID
    )
    expected = by_axes(x[:, start:], positions, GRID[1], interleaved, base=77.0)
    near(layer.rotate(x[:, start:], positions, "query"), expected)


@pytest.mark.few
@pytest.mark.parametrize("length", [1, 2, 5, 9, 12, 31])
def test_without_a_grid_it_is_the_nearest_to_a_square(x, length):
    x, positions = x[:, :length], np.arange(length)
    layer = RotaryEmbedding(axes=2)
    width = math.ceil(length / math.ceil(math.sqrt(length)))
    expected = by_axes(x, positions, width)
    near(layer.rotate(x, positions, "key"), expected)
    if length > 9:
        call = compiled(lambda x, p: layer.rotate(x, p, "key"))
        given = ops.convert_to_tensor(positions, dtype="int32")
        near(call(ops.convert_to_tensor(x), given), expected)


def test_each_row_of_positions_has_its_own_width(x):
    positions = np.array([np.arange(CELLS), np.arange(CELLS) + 64])
    expected = [
        by_axes(row, places, width)
        for row, places, width in zip(x, positions, (6, 10), strict=True)
    ]
    layer = RotaryEmbedding(axes=2)
    near(layer.rotate(x, positions, "query"), np.stack(expected))


@pytest.mark.parametrize("theta", [10_000, 599])
def test_interleaved_pairs_are_those_of_rotary_embedding_torch(x, theta):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs = pytest.importorskip("rotary_embedding_torch", reason="the oracle")
    oracle = theirs.RotaryEmbedding(HEAD_DIM // 2, theta=theta)
    angles = oracle.get_axial_freqs(*GRID)
    cells = torch.tensor(x).transpose(1, 2).unflatten(2, GRID)
    expected = theirs.apply_rotary_emb(angles, cells)
    expected = expected.flatten(2, 3).transpose(1, 2).detach().numpy()
    layer = RotaryEmbedding(
        base=float(theta), interleaved=True, axes=2, grid=GRID
    )
    near(layer.rotate(x, np.arange(CELLS), "query"), expected)


def test_halves_are_those_of_qwen2_vl(x):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.qwen2_vl import modeling_qwen2_vl

    places = np.arange(CELLS)
    frequencies = 1e4 ** (-np.arange(3) / 3)
    angles = [p[:, None] * frequencies for p in divmod(places, GRID[1])]
    angles = torch.tensor(np.concatenate(angles, axis=-1).astype("float32"))
    doubled = torch.cat((angles, angles), dim=-1)
    expected, _ = modeling_qwen2_vl.apply_rotary_pos_emb_vision(
        torch.tensor(x), torch.tensor(x), doubled.cos(), doubled.sin()
    )
    layer = RotaryEmbedding(axes=2, grid=GRID)
    near(layer.rotate(x, places, "query"), expected.numpy())


def test_far_cells_are_exact():
    grid = (3, 700_001)
    positions = np.array([700_000, 10**6, 2_000_000])
    x = np.ones((1, 3, 1, HEAD_DIM), "float32")
    layer = RotaryEmbedding(axes=2, grid=grid)
    near(
        layer.rotate(x, positions, "key"),
        by_axes(x, positions, grid[1]),
        atol=1e-4,
        rtol=0,
    )


def test_a_scaling_counts_along_each_axis(x):
    layer = RotaryEmbedding(
        axes=2, grid=GRID, scaling={"type": "linear", "factor": 2.0}
    )
    rows, columns = np.divmod(np.arange(CELLS), GRID[1])
    plain = RotaryEmbedding()
    halves = np.r_[0:3, 6:9], np.r_[3:6, 9:12]
    output = to_numpy(layer.rotate(x, np.arange(CELLS), "query"))
    for half, places in zip(halves, (rows, columns), strict=True):
        even = places % 2 == 0
        expected = plain.rotate(x[..., half], places // 2, "query")
        near(output[:, even][..., half], to_numpy(expected)[:, even])


def test_products_depend_on_both_distances_alone(rng):
    layer = RotaryEmbedding(axes=2, grid=(50, 60))
    query, key = rng.normal(size=(2, 1, 1, 1, HEAD_DIM)).astype("float32")
    products = [
        np.sum(
            to_numpy(layer.rotate(query, np.array([first + 127]), "query"))
            * to_numpy(layer.rotate(key, np.array([first]), "key"))
        )
        for first in (0, 11, 2 * 60 + 5, 40 * 60 + 50)
    ]
    near(products[1:], [products[0]] * 3)


def test_axial_attention_lays_out_the_same_grid(rng):
    """Within a row, products then depend on the columns alone."""
    x = rng.normal(size=(2, 12, 8)).astype("float32")
    layers = [
        AxialAttention(2, axis="row", position=RotaryEmbedding(**options))
        for options in ({"axes": 2}, {"axes": 2, "grid": (4, 3)})
    ]
    for layer in layers:
        layer.build(x.shape)
    randomize(layers[0], rng)
    layers[1].set_weights(layers[0].get_weights())
    near(layers[0](x), layers[1](x))


def test_a_cache_needs_a_grid(rng):
    x = rng.normal(size=(2, 6, 8)).astype("float32")
    message = "cache beside RotaryEmbedding.*give it a grid"
    layer = MultiHeadAttention(2, position=RotaryEmbedding(axes=2))
    layer(x)
    with pytest.raises(ValueError, match=message):
        layer.init_cache(2, 6)
    position = RotaryEmbedding(axes=2, grid=(2, 3))
    layer = MultiHeadAttention(2, position=position)
    layer.build(x.shape)
    randomize(layer, rng)
    cache, outputs = layer.init_cache(2, 6), []
    for start in range(6):
        output, cache = layer(x[:, start : start + 1], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, 1), layer(x, use_causal_mask=True))


def test_more_than_the_grid_holds_is_refused(rng):
    position = RotaryEmbedding(axes=2, grid=(2, 3))
    assert position.max_length == 6
    x = rng.normal(size=(2, 7, 1, 8)).astype("float32")
    message = "RotaryEmbedding has positions up to max_length=6.*7"
    with pytest.raises(ValueError, match=message):
        position.rotate(x, np.arange(7), "query")
    decoder = TransformerDecoder(11, 1, 8, 2, position=position)
    with pytest.raises(ValueError, match=message):
        decoder.init_cache(1, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": 3}, "axes must be 1 or 2.*3"),
        ({"axes": "2"}, "axes must be 1 or 2.*'2'"),
        ({"grid": (2, 3)}, r"grid is for axes=2.*\(2, 3\)"),
        ({"axes": 2, "grid": 6}, "grid.*6"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RotaryEmbedding(**options)


@pytest.mark.parametrize("head_dim", [6, 10])
def test_features_that_make_no_pairs_for_both_axes_are_refused(head_dim):
    with pytest.raises(ValueError, match=f"multiple of 4.*={head_dim}"):
        RotaryEmbedding(axes=2).build((None, None, 2, head_dim))
