"""Windows on a grid, beside Hugging Face's Swin and a dense definition."""

import keras
import numpy as np
import pytest

from keras_attention import ShiftedWindowAttention, TransformerEncoder
from keras_attention.positions.core import grid
from tests.attention import reference
from tests.tools import near, only, randomize, to_numpy

DIM, HEADS = 12, 3


def built(rng, length=35, **options):
    layer = ShiftedWindowAttention(HEADS, **options)
    layer.build((None, length, DIM))
    return randomize(layer, rng)


def windows(height, width, size, shift):
    """The number of the window of every cell."""
    moved = [s if n > size else 0 for n, s in ((height, shift), (width, shift))]
    rows = (np.arange(height) - moved[0]) // size
    columns = (np.arange(width) - moved[1]) // size
    return (100 * rows[:, None] + columns[None]).reshape(-1)


@pytest.mark.parametrize("position", [None, reference.EveryHook])
@pytest.mark.parametrize(
    ("grid", "size", "shift"),
    [((5, 7), 3, 0), ((5, 7), 3, 2), ((7, 5), 5, 2), ((4, 6), 2, 1)],
)
def test_it_is_dense_attention_within_windows(rng, grid, size, shift, position):
    length = grid[0] * grid[1]
    position = position and position()
    layer = built(
        rng,
        length,
        window_size=size,
        shift=shift,
        grid=grid,
        position=position,
    )
    x = rng.normal(size=(2, length, DIM)).astype("float32")
    padding = rng.random((2, length)) < 0.7
    names = windows(*grid, size, shift)
    mask = (names[:, None] == names[None])[None] & padding[:, None]
    heads = [
        to_numpy(dense(x))
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    ]
    expected, weights = reference.attention(*heads, mask, position)
    near(
        layer(x, padding_mask=padding),
        layer.output_dense(expected.astype("float32")),
    )
    near(layer.attention_weights(x, padding_mask=padding), weights)


@pytest.mark.parametrize(("grid", "shift"), [((8, 4), 0), ((8, 12), 2)])
def test_hugging_face_swin(rng, grid, shift):
    torch = pytest.importorskip("torch")
    swin = pytest.importorskip("transformers.models.swin.modeling_swin")
    config = swin.SwinConfig(
        window_size=4, embed_dim=DIM, attention_probs_dropout_prob=0.0
    )
    config._attn_implementation = "eager"
    theirs = swin.SwinLayer(config, DIM, grid, HEADS, shift_size=shift).eval()
    length = grid[0] * grid[1]
    layer = built(rng, length, window_size=4, shift=shift, grid=grid)
    x = rng.normal(size=(2, length, DIM)).astype("float32")

    class Nothing(torch.nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    # Of the block around the attention only its residual is left.
    theirs.layernorm_before = torch.nn.Identity()
    theirs.mlp = Nothing()
    with torch.no_grad():
        copy_weights(layer, theirs.attention, torch)
        output, _ = theirs(torch.tensor(x), grid)
    near(layer(x), output.numpy() - x)


def copy_weights(layer, theirs, torch):
    for linear, dense in (
        (theirs.q_proj, layer.query_dense),
        (theirs.k_proj, layer.key_dense),
        (theirs.v_proj, layer.value_dense),
        (theirs.o_proj, layer.output_dense),
    ):
        kernel = to_numpy(dense.kernel).reshape(DIM, DIM)
        linear.weight.copy_(torch.tensor(kernel.T))
        linear.bias.copy_(torch.tensor(to_numpy(dense.bias).reshape(DIM)))
    # Their bias of positions is not part of the flavour.
    theirs.relative_position_bias.relative_position_bias_table.zero_()


@pytest.mark.full
def test_two_layers_in_turn_let_windows_meet(rng):
    def reach(attention):
        encoder = TransformerEncoder(11, 2, DIM, HEADS, attention=attention)
        tokens = rng.integers(1, 11, size=(1, 36))
        other = tokens.copy()
        other[0, 14] = tokens[0, 14] % 10 + 1  # row 2, column 2
        difference = to_numpy(encoder(other)) - to_numpy(encoder(tokens))
        return np.abs(difference[0]).max(axis=-1).reshape(6, 6) > 1e-6

    plain = ShiftedWindowAttention(HEADS, window_size=3)
    shifted = ShiftedWindowAttention(HEADS, window_size=3, shift=1)
    assert reach([plain, plain])[:3, :3].all()
    assert not reach([plain, plain])[3:].any()
    assert reach([plain, shifted])[3, 3]


@pytest.mark.parametrize(
    "length",
    only(
        {1, 2, 3, 4, 5, 16, 17, 30, 4096, 4097},
        [*range(1, 40), 4095, 4096, 4097],
    ),
)
def test_a_sequence_becomes_the_grid_nearest_to_a_square(length):
    height, width = grid.size_of(length)
    assert height >= width > 0
    assert (height - 1) ** 2 < length <= height * width
    assert length > height * (width - 1)
    tensor = keras.ops.convert_to_tensor(length, "int32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        sizes = tf.function(lambda n: grid.size_of(n))(tensor)
        assert [int(n) for n in sizes] == [height, width]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_size": 0}, "window_size.*0"),
        ({"window_size": 2.5}, "window_size.*2.5"),
        ({"shift": -1}, "shift.*-1"),
        ({"shift": 7}, "shift=7.*window_size=7"),
        ({"grid": (3,)}, r"grid.*\(3,\)"),
        ({"grid": (0, 3)}, r"grid.*\(0, 3\)"),
        ({"grid": 9}, "grid.*9"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ShiftedWindowAttention(2, **options)


def test_a_sequence_that_does_not_fill_the_grid_is_refused(rng):
    layer = built(rng, 6, grid=(2, 3))
    x = rng.normal(size=(1, 7, DIM)).astype("float32")
    with pytest.raises(ValueError, match="6 cells.*7"):
        layer(x)
