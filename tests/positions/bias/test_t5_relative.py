"""T5's buckets and layers against Hugging Face's."""

import numpy as np
import pytest

from keras_attention import MultiHeadAttention, T5RelativeBias
from tests.positions.bias.biases import HEADS, SHAPE, built, of_pairs
from tests.tools import near, randomize, to_numpy

SIZES = [
    (32, 128),
    (32, 20),
    (32, 256),
    (64, 128),
    (16, 64),
    (8, 11),
    (7, 1000),
    (24, 500),
    (128, 4096),
    (33, 8192),
    (4, 3),
]


def buckets(layer, distances, causal):
    """The buckets of distances, read off a table of their numbers."""
    rows = np.arange(layer.num_buckets)[:, None] * np.ones(HEADS)
    layer.set_weights([rows])
    return of_pairs(layer, distances, np.zeros(1), causal)[0, 0, :, 0]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("num_buckets", "max_distance"), SIZES)
def test_buckets_are_those_of_t5(num_buckets, max_distance, bidirectional):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.t5.modeling_t5 import T5Attention

    layer = T5RelativeBias(num_buckets, max_distance)
    layer.build(SHAPE)
    distances = np.arange(-4096, 4097)
    expected = T5Attention._relative_position_bucket(
        -torch.tensor(distances), bidirectional, num_buckets, max_distance
    )
    found = buckets(layer, distances, causal=not bidirectional)
    np.testing.assert_array_equal(found, expected.numpy())


def test_buckets_by_hand():
    layer = T5RelativeBias(8, 16)
    layer.build(SHAPE)
    distances = np.array([0, 1, 2, 5, 6, 15, 16, 99, -1, -2, -6])
    found = buckets(layer, distances, causal=False)
    near(found, [0, 1, 2, 2, 3, 3, 3, 3, 5, 6, 7], 0)
    layer = T5RelativeBias(8, 16)
    layer.build(SHAPE)
    found = buckets(layer, distances, causal=True)
    near(found, [0, 1, 2, 4, 5, 7, 7, 7, 0, 0, 0], 0)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_of_t5(causal, rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.t5 import modeling_t5

    config = modeling_t5.T5Config(
        d_model=15,
        d_kv=5,
        num_heads=HEADS,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=11,
        dropout_rate=0.0,
        is_decoder=causal,
    )
    config._attn_implementation = "eager"
    theirs = modeling_t5.T5Attention(
        config, has_relative_attention_bias=True, layer_idx=0
    ).eval()
    position = T5RelativeBias(8, 11, scaled=False)
    layer = MultiHeadAttention(HEADS, use_bias=False, position=position)
    x = rng.normal(size=(2, 17, 15)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng)
    mask = np.zeros((1, 1, 17, 17), "float32")
    if causal:
        mask = np.where(np.tril(np.ones((17, 17))) > 0, mask, -1e9)
    denses = (
        (theirs.q, layer.query_dense),
        (theirs.k, layer.key_dense),
        (theirs.v, layer.value_dense),
        (theirs.o, layer.output_dense),
    )
    with torch.no_grad():
        for linear, dense in denses:
            kernel = to_numpy(dense.kernel).reshape(15, 15)
            linear.weight.copy_(torch.tensor(kernel.T))
        table = torch.tensor(to_numpy(position.table))
        theirs.relative_attention_bias.weight.copy_(table)
        output = theirs(torch.tensor(x), mask=torch.tensor(mask).float())[0]
    near(layer(x, use_causal_mask=causal), output.numpy())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_one_kind_of_bucket_serves_all_calls_where_it_is_given(
    bidirectional, rng
):
    layer = built(T5RelativeBias(8, 11, bidirectional=bidirectional), rng)
    places = np.arange(7)
    found = of_pairs(layer, places, places, True)
    near(of_pairs(layer, places, places, False), found, 0)
    # Later keys have numbers of their own, or that of the query.
    assert (np.abs(found[..., 0, 1] - found[..., 0, 0]) > 0).any() == (
        bidirectional
    )


@pytest.mark.parametrize("causal", [False, True])
def test_a_table_that_would_change_its_meaning_is_refused(causal, rng):
    layer = built(T5RelativeBias(), rng)
    places = np.arange(7)
    of_pairs(layer, places, places, causal)
    of_pairs(layer, places, places, causal)
    with pytest.raises(ValueError, match="bidirectional=True or False"):
        of_pairs(layer, places, places, not causal)


def test_scores_are_scaled_unless_told_otherwise():
    assert T5RelativeBias().scale(16) == pytest.approx(0.25)
    assert T5RelativeBias(scaled=False).scale(16) == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_buckets": 3}, "num_buckets.*4 or more.*3"),
        ({"num_buckets": 8.0}, "num_buckets.*8.0"),
        ({"num_buckets": 1, "bidirectional": False}, "num_buckets.*2 or.*1"),
        ({"max_distance": 16}, "max_distance.*17 or more.*16"),
        ({"max_distance": 8, "bidirectional": True}, "max_distance.*9 or.*8"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        T5RelativeBias(**options)
