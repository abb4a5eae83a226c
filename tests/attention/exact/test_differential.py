"""Differential attention agrees with Hugging Face's DiffLlama."""

import math

import numpy as np
import pytest

from keras_attention import DifferentialAttention, RotaryEmbedding
from tests.attention.reference import Biased
from tests.tools import near, randomize, to_numpy

BATCH, DIM, HEADS, HALF = 2, 24, 6, 4


def pair(rng, heads, kv_heads, depth):
    """Our layer and theirs, which counts the two maps of a head as two."""
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(
        rng,
        "diffllama",
        "DiffLlama",
        depth,
        hidden_size=DIM,
        num_attention_heads=2 * heads,
        num_key_value_heads=2 * kv_heads,
        head_dim=HALF,
        num_hidden_layers=depth + 1,
        rms_norm_eps=1e-5,
    )
    ours = DifferentialAttention(
        heads,
        2 * HALF,
        kv_heads,
        depth=depth,
        use_bias=False,
        position=RotaryEmbedding(base=hugging_face.THETA),
    )
    ours.build((None, None, DIM))
    for dense, linear in (
        (ours.query_dense, theirs.q_proj),
        (ours.key_dense, theirs.k_proj),
        (ours.output_dense, theirs.o_proj),
    ):
        hugging_face.copy(dense, linear)
    # They keep the halves of all values apart.
    rows = np.arange(2 * kv_heads * HALF).reshape(2, kv_heads, HALF)
    rows = rows.swapaxes(0, 1).ravel()
    hugging_face.copy(ours.value_dense, theirs.v_proj, rows)
    for vector, name in zip(
        ours.lambdas, ("q1", "k1", "q2", "k2"), strict=True
    ):
        vector.assign(getattr(theirs, f"lambda_{name}").detach().numpy())
    return ours, call


@pytest.mark.parametrize("heads", [(3, 3), (4, 2), (6, 1)])
@pytest.mark.parametrize("depth", [0, 5])
def test_numbers_of_diffllama(rng, heads, depth):
    hugging_face = pytest.importorskip("tests.attention.hugging_face")
    ours, theirs = pair(rng, *heads, depth)
    for length in (11, 5):
        x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
        for padding, mask in hugging_face.masks(BATCH, length):
            output = ours(x, padding_mask=padding, use_causal_mask=True)
            rows = mask.any(axis=-1)
            near(to_numpy(output)[rows], theirs(x, mask)[rows])
    cache, outputs = ours.init_cache(BATCH, length + 2), []
    for start in range(length):
        output, cache = ours(x[:, start : start + 1], cache=cache, start=start)
        outputs.append(to_numpy(output))
    causal = np.tril(np.ones((BATCH, length, length), bool))
    near(np.concatenate(outputs, axis=1), theirs(x, causal))


def test_both_maps_of_a_head_share_the_bias(rng):
    layer = DifferentialAttention(3, lambda_init=0.25, position=Biased())
    x = rng.normal(size=(1, 7, DIM)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng)
    for dense in (layer.query_dense, layer.key_dense):
        dense.kernel.assign(np.zeros(dense.kernel.shape))
        dense.bias.assign(np.zeros(dense.bias.shape))
    weights = to_numpy(layer.attention_weights(x))[0]
    distance = np.arange(7)[:, None] - np.arange(7)
    slopes = to_numpy(layer.position.slopes)[:, None, None]
    raised = np.exp(slopes * distance)
    both = raised / raised.sum(axis=-1, keepdims=True)
    one, two, three, four = map(to_numpy, layer.lambdas)
    share = np.exp(one @ two) - np.exp(three @ four) + 0.25
    near(weights, (1 - share) * both)


def test_the_share_at_the_beginning_follows_from_the_depth(rng):
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    for options, expected in (
        ({}, 0.2),
        ({"depth": 3}, 0.8 - 0.6 * math.exp(-0.9)),
        ({"depth": 3, "lambda_init": 0.5}, 0.5),
    ):
        layer = DifferentialAttention(3, **options)
        layer.build(x.shape)
        for vector in layer.lambdas:
            assert np.abs(to_numpy(vector)).max() < 1
            vector.assign(np.zeros(HALF))
        sums = to_numpy(layer.attention_weights(x)).sum(axis=-1)
        near(sums, np.full(sums.shape, 1 - expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth .* -1"),
        ({"depth": 0.5}, "depth .* 0.5"),
        ({"lambda_init": 1.0}, "lambda_init .* depth.* 1.0"),
        ({"lambda_init": -0.1}, "lambda_init .* -0.1"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DifferentialAttention(HEADS, **options)


def test_an_odd_width_is_refused():
    layer = DifferentialAttention(HEADS, 5)
    with pytest.raises(ValueError, match="head_dim must be even.*head_dim=5"):
        layer.build((None, None, DIM))
