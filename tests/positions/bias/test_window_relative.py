"""Swin's bias of rows and columns against Hugging Face's."""

import numpy as np
import pytest

from keras_attention import (
    AxialAttention,
    MultiHeadAttention,
    ShiftedWindowAttention,
    SlidingWindowAttention,
    TransformerEncoder,
    WindowRelativeBias,
)
from tests.positions.bias.biases import HEADS, built, of_pairs
from tests.tools import near, randomize, to_numpy

DIM = 12


def definition(table, size, grid):
    """`(heads, cells, cells)`, one pair of cells after the other."""
    height, width = size
    cells = [
        (row, column) for row in range(grid[0]) for column in range(grid[1])
    ]
    table = table.reshape(2 * height - 1, 2 * width - 1, -1)
    found = np.zeros((table.shape[-1], len(cells), len(cells)))
    for t, query in enumerate(cells):
        for s, key in enumerate(cells):
            row = np.clip(query[0] - key[0], 1 - height, height - 1)
            column = np.clip(query[1] - key[1], 1 - width, width - 1)
            found[:, t, s] = table[row + height - 1, column + width - 1]
    return found


@pytest.mark.parametrize("size", [3, (2, 5), 7])
@pytest.mark.parametrize("grid", [(3, 5), (5, 3)])
def test_it_is_looked_up_by_rows_and_columns(size, grid, rng):
    layer = built(WindowRelativeBias(size, grid), rng)
    pair = size if isinstance(size, tuple) else (size, size)
    places = np.arange(15)
    expected = definition(to_numpy(layer.table), pair, grid)
    near(of_pairs(layer, places, places, False)[0], expected, 0)


@pytest.mark.parametrize(("grid", "shift"), [((8, 4), 0), ((8, 12), 2)])
def test_hugging_face_swin(rng, grid, shift):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.swin import modeling_swin as swin

    config = swin.SwinConfig(
        window_size=4, embed_dim=DIM, attention_probs_dropout_prob=0.0
    )
    config._attn_implementation = "eager"
    theirs = swin.SwinLayer(config, DIM, grid, HEADS, shift_size=shift).eval()
    layer = ShiftedWindowAttention(
        HEADS,
        window_size=4,
        shift=shift,
        grid=grid,
        position=WindowRelativeBias(4),
    )
    x = rng.normal(size=(2, grid[0] * grid[1], DIM)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng)

    class Nothing(torch.nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    # Of the block around the attention only its residual is left.
    theirs.layernorm_before = torch.nn.Identity()
    theirs.mlp = Nothing()
    own = theirs.attention
    denses = (
        (own.q_proj, layer.query_dense),
        (own.k_proj, layer.key_dense),
        (own.v_proj, layer.value_dense),
        (own.o_proj, layer.output_dense),
    )
    with torch.no_grad():
        for linear, dense in denses:
            kernel = to_numpy(dense.kernel).reshape(DIM, DIM)
            linear.weight.copy_(torch.tensor(kernel.T))
            linear.bias.copy_(torch.tensor(to_numpy(dense.bias).reshape(DIM)))
        table = torch.tensor(to_numpy(layer.position.table))
        own.relative_position_bias.relative_position_bias_table.copy_(table)
        output, _ = theirs(torch.tensor(x), grid)
    near(layer(x), output.numpy() - x)


def test_a_flavour_on_a_grid_is_exact_attention_within_its_mask(rng):
    x = rng.normal(size=(2, 35, DIM)).astype("float32")
    plain = MultiHeadAttention(HEADS, position=WindowRelativeBias(3, (5, 7)))
    plain.build(x.shape)
    randomize(plain, rng)
    rows, columns = np.divmod(np.arange(35), 7)
    masks = {
        "row": rows[:, None] == rows,
        "column": columns[:, None] == columns,
    }
    for axis, mask in masks.items():
        axial = AxialAttention(
            HEADS, axis=axis, grid=(5, 7), position=WindowRelativeBias(3)
        )
        axial.build(x.shape)
        axial.set_weights(plain.get_weights())
        mask = np.broadcast_to(mask, (2, 35, 35))
        near(axial(x), plain(x, attention_mask=mask))


def test_a_sliding_window_over_an_image_takes_the_grid_given(rng):
    x = rng.normal(size=(2, 35, DIM)).astype("float32")
    position = WindowRelativeBias(3, (5, 7))
    sliding = SlidingWindowAttention(HEADS, window_size=8, position=position)
    sliding.build(x.shape)
    randomize(sliding, rng)
    plain = MultiHeadAttention(HEADS, position=WindowRelativeBias(3, (5, 7)))
    plain.build(x.shape)
    plain.set_weights(sliding.get_weights())
    places = np.arange(35)
    mask = np.abs(places[:, None] - places) <= 8
    mask = np.broadcast_to(mask, (2, 35, 35))
    near(sliding(x), plain(x, attention_mask=mask))


@pytest.mark.full
def test_every_block_of_an_encoder_has_its_table(rng, tmp_path):
    import keras

    attention = [
        ShiftedWindowAttention(HEADS, window_size=3),
        ShiftedWindowAttention(HEADS, window_size=3, shift=1),
    ]
    first = TransformerEncoder(
        11, 2, DIM, HEADS, attention=attention, position="window_relative"
    )
    tokens = rng.integers(1, 11, size=(2, 36))
    expected = first(tokens)
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(tokens), expected)
    tables = [w for w in first.weights if w.path.endswith("table")]
    assert sum(w.shape == (169, HEADS) for w in tables) == 2


def test_without_a_grid_it_is_refused(rng):
    layer = MultiHeadAttention(HEADS, position=WindowRelativeBias())
    x = rng.normal(size=(1, 9, DIM)).astype("float32")
    with pytest.raises(ValueError, match=r"grid=\(height, width\)"):
        layer(x)


def test_two_grids_that_differ_are_refused(rng):
    layer = ShiftedWindowAttention(
        HEADS, grid=(4, 6), position=WindowRelativeBias(grid=(6, 4))
    )
    x = rng.normal(size=(1, 24, DIM)).astype("float32")
    with pytest.raises(ValueError, match=r"grid=\(6, 4\).*\(4, 6\)"):
        layer(x)


def test_a_sequence_longer_than_the_grid_is_refused(rng):
    layer = MultiHeadAttention(HEADS, position=WindowRelativeBias(grid=(3, 3)))
    with pytest.raises(ValueError, match="max_length=9.*sequence of 10"):
        layer(rng.normal(size=(1, 10, DIM)).astype("float32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_size": 0}, "window_size.*0"),
        ({"window_size": 2.5}, "window_size.*2.5"),
        ({"window_size": (3,)}, r"window_size.*\(3,\)"),
        ({"grid": (0, 3)}, r"grid.*\(0, 3\)"),
        ({"grid": 9}, "grid.*9"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        WindowRelativeBias(**options)
