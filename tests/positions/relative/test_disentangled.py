"""Disentangled attention against Hugging Face's DeBERTa-v2."""

import numpy as np
import pytest
from keras import ops

from keras_attention import DisentangledRelative, MultiHeadAttention
from keras_attention.positions.relative.disentangled import buckets
from tests.positions.content import DIM, HEAD_DIM, HEADS, heads
from tests.tools import near, randomize, to_numpy

SPANS = [(256, 512), (4, 7), (2, 5), (32, 128), (48, 4_000), (128, 130)]


def deberta():
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.deberta_v2 import modeling_deberta_v2

    return torch, modeling_deberta_v2


@pytest.mark.parametrize(("size", "most"), SPANS)
def test_buckets_are_those_of_deberta(size, most):
    torch, hf = deberta()
    distances = np.arange(-4_096, 4_097)
    expected = hf.make_log_bucket_position(torch.tensor(distances), size, most)
    expected = np.clip(expected.numpy().astype(int), -size, size - 1)
    found = np.clip(buckets(distances, size, most), -size, size - 1)
    np.testing.assert_array_equal(found, expected)
    layer = DisentangledRelative(position_buckets=size, max_distance=most)
    rows = to_numpy(layer._rows(ops.convert_to_tensor(distances)))
    np.testing.assert_array_equal(rows, expected + size)


@pytest.mark.parametrize(
    "terms", [("c2p", "p2c"), ("c2p",), ("p2c",)], ids="-".join
)
@pytest.mark.parametrize("size", [4, None])
def test_attention_is_that_of_deberta(rng, terms, size):
    torch, hf = deberta()
    from tests.attention.hugging_face import copy

    config = hf.DebertaV2Config(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        relative_attention=True,
        share_att_key=False,
        position_buckets=size or -1,
        max_relative_positions=7,
        pos_att_type=list(terms),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    oracle = hf.DisentangledSelfAttention(config).eval()
    for parameter in oracle.parameters():
        drawn = 0.3 * rng.normal(size=parameter.shape)
        parameter.data = torch.tensor(drawn.astype("float32"))
    position = DisentangledRelative(
        position_buckets=size,
        max_distance=7,
        content_to_position="c2p" in terms,
        position_to_content="p2c" in terms,
    )
    layer = MultiHeadAttention(HEADS, position=position)
    layer.build((2, 11, DIM))
    randomize(layer, rng, deviation=0.4)
    copy(layer.query_dense, oracle.query_proj)
    copy(layer.key_dense, oracle.key_proj)
    copy(layer.value_dense, oracle.value_proj)
    for name in ("key", "query"):
        linear = getattr(oracle, f"pos_{name}_proj", None)
        if linear is not None:
            kernel, bias = getattr(position, f"{name}_projection")
            weight = linear.weight.detach().numpy().T
            kernel.assign(weight.reshape(kernel.shape))
            bias.assign(linear.bias.detach().numpy().reshape(bias.shape))
    x = rng.normal(size=(2, 11, DIM)).astype("float32")
    for causal in (False, True):
        mask = np.ones((2, 1, 11, 11)) * (np.tri(11) if causal else 1.0)
        with torch.no_grad():
            mixed = oracle(
                torch.tensor(x),
                torch.tensor(mask),
                rel_embeddings=torch.tensor(to_numpy(position.table)),
            )[0]
        mixed = mixed.numpy().reshape(2, 11, HEADS, HEAD_DIM)
        expected = layer.output_dense(ops.convert_to_tensor(mixed))
        near(layer(x, use_causal_mask=causal), expected)


@pytest.mark.parametrize("kv_heads", [HEADS, 2, 1])
def test_the_bias_is_its_definition(rng, kv_heads):
    layer = DisentangledRelative(position_buckets=4, max_distance=7)
    layer.build((None, None, HEADS, HEAD_DIM))
    randomize(layer, rng, deviation=0.4)
    query, key = heads(rng, 5), heads(rng, 11, kv_heads)
    queries, keys = rng.integers(0, 20, 5), rng.integers(-5, 20, 11)
    rows = buckets(queries[:, None] - keys, 4, 7).clip(-4, 3) + 4
    table = to_numpy(layer.table).astype("float64")
    of_key, of_query = (
        np.einsum("rw,whd->rhd", table, to_numpy(kernel)) + to_numpy(bias)
        for kernel, bias in (layer.key_projection, layer.query_projection)
    )
    repeated = np.repeat(key, HEADS // kv_heads, axis=2)
    expected = np.einsum("bthd,tshd->bhts", query, of_key[rows])
    expected += np.einsum("bshd,tshd->bhts", repeated, of_query[rows])
    expected /= (3 * HEAD_DIM) ** 0.5
    near(layer.bias(query, key, queries, keys, False), expected)
    one = layer.bias(query[:, :1], key, queries[:1], keys, True)
    near(one, expected[:, :, :1])


def test_scores_are_divided_by_the_number_of_terms():
    assert DisentangledRelative().scale(8) == pytest.approx(24**-0.5)
    one = DisentangledRelative(position_to_content=False)
    assert one.scale(8) == pytest.approx(0.25)
    one.build((None, None, HEADS, HEAD_DIM))
    assert len(one.weights) == 3


def test_config_makes_the_same_encoding():
    layer = DisentangledRelative(
        position_buckets=None,
        max_distance=9,
        content_to_position=False,
        shared=True,
    )
    again = DisentangledRelative.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.shared and again.span == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_buckets": 5}, "position_buckets.*5"),
        ({"position_buckets": 0}, "position_buckets.*0"),
        ({"position_buckets": 8, "max_distance": 5}, "max_distance.*5"),
        ({"max_distance": -1}, "max_distance.*-1"),
        (
            {"content_to_position": False, "position_to_content": False},
            "content_to_position.*False",
        ),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DisentangledRelative(**options)
