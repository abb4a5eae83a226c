"""Attention along the axes of a grid, beside a dense definition."""

import numpy as np
import pytest

from keras_attention import AxialAttention, TransformerEncoder
from tests.attention import reference
from tests.tools import near, randomize, to_numpy

DIM, HEADS = 12, 3


@pytest.mark.parametrize("position", [None, reference.EveryHook])
@pytest.mark.parametrize("axis", ["both", "row", "column"])
@pytest.mark.parametrize(("grid", "length"), [((5, 7), 35), (None, 13)])
def test_it_is_dense_attention_along_axes(rng, grid, length, axis, position):
    position = position and position()
    layer = AxialAttention(HEADS, axis=axis, grid=grid, position=position)
    layer.build((None, length, DIM))
    randomize(layer, rng)
    x = rng.normal(size=(2, length, DIM)).astype("float32")
    padding = rng.random((2, length)) < 0.7
    width = 7 if grid else 4  # 13 tokens fill a grid of 4 by 4 but for 3
    rows, columns = np.divmod(np.arange(length), width)
    heads = [
        to_numpy(dense(x))
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    ]
    found = []
    for name, place in (("row", rows), ("column", columns)):
        if axis in (name, "both"):
            mask = (place[:, None] == place[None])[None] & padding[:, None]
            found.append(reference.attention(*heads, mask, position))
    output, weights = (
        sum(part) / len(found) for part in zip(*found, strict=True)
    )
    near(
        layer(x, padding_mask=padding),
        layer.output_dense(output.astype("float32")),
    )
    near(layer.attention_weights(x, padding_mask=padding), weights)


def test_a_row_and_a_column_layer_reach_everything(rng):
    layers = [AxialAttention(HEADS, axis=axis) for axis in ("row", "column")]
    encoder = TransformerEncoder(11, 2, DIM, HEADS, attention=layers)
    tokens = rng.integers(1, 11, size=(1, 25))
    other = tokens.copy()
    other[0, 7] = tokens[0, 7] % 10 + 1
    difference = to_numpy(encoder(other)) - to_numpy(encoder(tokens))
    assert (np.abs(difference[0]).max(axis=-1) > 1e-6).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "rows"}, "axis.*row.*column.*'rows'"),
        ({"grid": (2, -1)}, r"grid.*\(2, -1\)"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AxialAttention(2, **options)
