"""Sinusoids against their definition and Hugging Face's."""

import numpy as np
import pytest
from keras import ops

from keras_attention import SinusoidalEncoding, TransformerEncoder
from tests.tools import compiled, near, to_numpy

LENGTH, DIM = 11, 14


def table(positions, dim, base=10_000.0):
    """The definition in float64: sines, then cosines."""
    frequencies = base ** (-np.arange(dim // 2) / (dim // 2))
    angles = np.asarray(positions, "float64")[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


@pytest.mark.parametrize("base", [10_000.0, 50.0])
def test_it_adds_sines_and_cosines(rng, base):
    x = rng.normal(size=(3, LENGTH, DIM)).astype("float32")
    layer = SinusoidalEncoding(base=base)
    near(layer(x), x + table(range(LENGTH), DIM, base), 1e-6)


def test_the_paper_has_the_same_numbers_in_another_order():
    layer = SinusoidalEncoding()
    output = to_numpy(layer(np.zeros((1, LENGTH, DIM), "float32")))[0]
    for position in range(LENGTH):
        for index in range(DIM // 2):
            angle = position / 10_000 ** (2 * index / DIM)
            near(output[position, index], np.sin(angle))
            near(output[position, DIM // 2 + index], np.cos(angle))


def test_any_piece_is_that_of_the_whole(rng):
    x = rng.normal(size=(2, LENGTH, DIM)).astype("float32")
    layer = SinusoidalEncoding()
    whole = to_numpy(layer(x))
    for start in (0, 4, np.int64(7), ops.convert_to_tensor(9)):
        piece = layer(x[:, int(start) :], start=start)
        near(piece, whole[:, int(start) :], 1e-6)


def test_a_start_may_be_computed(rng):
    x = rng.normal(size=(2, 3, DIM)).astype("float32")
    layer = SinusoidalEncoding()
    layer.build(x.shape)
    call = compiled(lambda x, start: layer(x, start=start))
    near(call(x, ops.convert_to_tensor(5, dtype="int32")), layer(x, start=5))


@pytest.mark.parametrize("start", [10**6, 2_097_151 - LENGTH])
def test_far_positions_are_exact(start):
    layer = SinusoidalEncoding()
    output = layer(np.zeros((1, LENGTH, DIM), "float32"), start=start)
    near(output[0], table(range(start, start + LENGTH), DIM), 1e-5)


def test_rows_of_bfloat16_stay_apart():
    layer = SinusoidalEncoding(dtype="bfloat16")
    output = to_numpy(layer(np.zeros((1, 600, 64), "float32")))[0]
    assert len(np.unique(output, axis=0)) == 600
    assert np.abs(output - table(range(600), 64)).max() <= 2**-8


def test_sinusoids_are_those_of_marian():
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.marian import modeling_marian

    oracle = modeling_marian.MarianSinusoidalPositionalEmbedding(LENGTH, DIM)
    oracle.weight.data = oracle.create_weight()
    expected = oracle((1, LENGTH)).numpy()
    layer = SinusoidalEncoding()
    near(layer(np.zeros((1, LENGTH, DIM), "float32"))[0], expected, 1e-6)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="hidden_dim=7"):
        SinusoidalEncoding()(np.zeros((1, 3, 7), "float32"))


def test_config_makes_the_same_encoding():
    layer = SinusoidalEncoding(base=7.0)
    again = SinusoidalEncoding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("offset", [0, 3])
def test_positions_may_be_given(rng, offset):
    x = rng.normal(size=(3, LENGTH, DIM)).astype("float32")
    positions = rng.integers(0, 50, (3, LENGTH))
    added = np.stack([table(row + offset, DIM) for row in positions])
    layer = SinusoidalEncoding(offset=offset)
    near(layer(x, positions=positions), x + added)
    near(layer(x, start=2), x + table(np.arange(LENGTH) + 2 + offset, DIM))


def test_interleaved_is_the_order_of_the_paper(rng):
    x = np.zeros((1, LENGTH, DIM), "float32")
    halves = table(range(LENGTH), DIM)
    turns = halves.reshape(LENGTH, 2, -1).transpose(0, 2, 1)
    layer = SinusoidalEncoding(interleaved=True)
    near(layer(x)[0], turns.reshape(LENGTH, DIM))
    positions = np.arange(LENGTH)[None]
    near(layer(x, positions=positions)[0], turns.reshape(LENGTH, DIM))


def test_endpoint_and_offset_are_those_of_m2m_100():
    module = pytest.importorskip(
        "transformers.models.m2m_100.modeling_m2m_100", reason="the oracle"
    )
    import torch

    theirs = module.M2M100SinusoidalPositionalEmbedding(40, DIM, 1)
    ids = torch.tensor([[5, 7, 1, 6, 1], [4, 8, 9, 3, 2]])  # 1 is padding
    expected = theirs(ids).numpy()
    layer = SinusoidalEncoding(endpoint=True, offset=2, skips_padding=True)
    model = TransformerEncoder(
        11, 1, DIM, 2, position=layer, dropout=0.0, normalization="rms_norm"
    )
    x = np.zeros((2, 5, DIM), "float32")
    mask = ids.numpy() != 1
    counted = np.cumsum(mask, 1) * mask - 1
    found = to_numpy(layer(x, positions=counted))
    near(found[mask], expected[mask])
    # The model counts by itself.
    inputs = {"token_ids": ids.numpy(), "padding_mask": mask}
    near(model(inputs), model({**inputs, "position_ids": counted}), 1e-6)
    shifted = model({**inputs, "position_ids": counted + 1})
    assert np.abs(to_numpy(model(inputs)) - to_numpy(shifted)).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": -1}, "offset must be.*-1"),
        ({"skips_padding": True}, "offset must be.*0"),
        ({"interleaved": 1}, "interleaved must be True or False"),
    ],
)
def test_layouts_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SinusoidalEncoding(**options)


def test_a_width_without_a_longest_wavelength_is_refused():
    with pytest.raises(ValueError, match="hidden_dim of 4 or more.*=2"):
        SinusoidalEncoding(endpoint=True)(np.zeros((1, 3, 2), "float32"))
