"""Relative sinusoids against Hugging Face's XLNet and their definition."""

import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, TransformerXLRelative
from keras_attention.masks import Visibility
from keras_attention.positions.relative import transformer_xl
from tests.positions.content import DIM, HEAD_DIM, HEADS, heads
from tests.tools import near, randomize, to_numpy


@pytest.fixture(autouse=True, params=[0, 4])
def few_heads(request, monkeypatch):
    """Both ways to compute what is in order."""
    monkeypatch.setattr(transformer_xl, "_FEW_HEADS", request.param)


def waves(distances, width, base=10_000.0):
    """Sines, then cosines, in float64."""
    angles = np.asarray(distances, "float64")[..., None]
    angles = angles * base ** (-np.arange(width // 2) / (width // 2))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def definition(layer, query, key, queries, keys, base):
    """The bias in float64, `(batch, heads, query_length, key_length)`."""
    query, key = query.astype("float64"), key.astype("float64")
    key = np.repeat(key, HEADS // key.shape[2], axis=2)
    kernel, of_content, of_position = (
        np.asarray(to_numpy(x), "float64")
        for x in (layer.kernel, layer.content_bias, layer.position_bias)
    )
    distance = queries[:, None] - keys[None]
    vectors = np.einsum("tsw,whd->tshd", waves(distance, DIM, base), kernel)
    bias = np.einsum("bthd,tshd->bhts", query + of_position, vectors)
    bias += np.einsum("hd,bshd->bhs", of_content, key)[:, :, None]
    return bias / HEAD_DIM**0.5


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("kind", ["uni", "bi"])
def test_attention_is_that_of_xlnet(rng, kind, memory):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.xlnet import modeling_xlnet as hf

    config = hf.XLNetConfig(
        vocab_size=13,
        d_model=DIM,
        n_layer=1,
        n_head=HEADS,
        d_inner=7,
        attn_type=kind,
        dropout=0.0,
    )
    oracle = hf.XLNetRelativeAttention(config).eval()
    oracle.post_attention = lambda h, vector: torch.einsum(
        "ibnd,hnd->ibh", vector, oracle.o
    )
    for parameter in oracle.parameters():
        drawn = 0.3 * rng.normal(size=parameter.shape)
        parameter.data = torch.tensor(drawn.astype("float32"))
    position = TransformerXLRelative()
    layer = MultiHeadAttention(HEADS, use_bias=False, position=position)
    layer.build((2, 7, DIM))
    named = {name: p.detach().numpy() for name, p in oracle.named_parameters()}
    layer.query_dense.kernel.assign(named["q"])
    layer.key_dense.kernel.assign(named["k"])
    layer.value_dense.kernel.assign(named["v"])
    layer.output_dense.kernel.assign(named["o"].transpose(1, 2, 0))
    position.kernel.assign(named["r"])
    position.content_bias.assign(named["r_w_bias"])
    position.position_bias.assign(named["r_r_bias"])

    x = rng.normal(size=(2, memory + 7, DIM)).astype("float32")
    causal = kind == "uni"
    table = hf.XLNetModel(config).relative_positional_encoding(7, memory + 7, 2)
    rows = torch.tensor(x).transpose(0, 1)
    hidden = np.zeros((7, memory + 7))
    if causal:
        hidden = 1.0 - np.tri(7, memory + 7, memory)
    hidden = torch.tensor(hidden[:, :, None, None].astype("float32"))
    with torch.no_grad():
        expected = oracle(
            rows[memory:],
            None,
            hidden,
            None,
            table,
            None,
            mems=rows[:memory] if memory else None,
        )[0]
    expected = expected.transpose(0, 1).numpy()
    if causal and memory:
        cache = layer.init_cache(2, memory + 7)
        _, cache = layer(x[:, :memory], cache=cache, start=0)
        found, _ = layer(x[:, memory:], cache=cache, start=memory)
    else:
        found = to_numpy(layer(x, use_causal_mask=causal))[:, memory:]
    near(found, expected)


@pytest.mark.parametrize("base", [10_000.0, 77.0])
@pytest.mark.parametrize("kv_heads", [HEADS, 2])
def test_both_ways_are_the_definition(rng, base, kv_heads):
    layer = TransformerXLRelative(base=base)
    layer.build((None, None, HEADS, HEAD_DIM))
    randomize(layer, rng, deviation=0.4)
    query, key = heads(rng, 5), heads(rng, 11, kv_heads)
    queries, keys = np.arange(3, 8), np.arange(11)
    expected = definition(layer, query, key, queries, keys, base)
    near(layer.bias(query, key, queries, keys, False), expected)
    places = [ops.convert_to_tensor(x) for x in (queries, keys)]
    near(layer.bias_in(query, key, Visibility(*places).ordered()), expected)
    far = rng.integers(-3_000, 3_000, size=11)
    expected = definition(layer, query, key, queries, far, base)
    near(layer.bias(query, key, queries, far, True), expected, 2e-5)


def test_far_distances_are_exact(rng):
    layer = TransformerXLRelative()
    layer.build((None, None, HEADS, HEAD_DIM))
    randomize(layer, rng, deviation=0.4)
    query, key = heads(rng, 3), heads(rng, 5)
    queries, keys = np.arange(3), np.arange(2_000_000, 2_000_005)
    for places in ((queries, keys), (keys[:3], np.arange(5))):
        expected = definition(layer, query, key, *places, 10_000.0)
        tensors = [ops.convert_to_tensor(x) for x in places]
        ordered = Visibility(*tensors).ordered()
        near(layer.bias_in(query, key, ordered), expected, 2e-5)
        near(layer.bias(query, key, *places, False), expected, 5e-5)


def test_weights_start_as_documented():
    layer = TransformerXLRelative()
    layer.build((None, None, 8, 16))
    assert tuple(layer.kernel.shape) == (128, 8, 16)
    assert abs(to_numpy(layer.kernel).std() / 0.02 - 1) < 0.1
    assert not to_numpy(layer.content_bias).any()
    assert not to_numpy(layer.position_bias).any()


def test_config_makes_the_same_encoding():
    layer = TransformerXLRelative(base=77.0, shared=True)
    again = TransformerXLRelative.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.shared and again.base == 77.0


def test_a_width_that_makes_no_pairs_is_refused():
    with pytest.raises(ValueError, match="num_heads=3, head_dim=5"):
        TransformerXLRelative().build((None, None, 3, 5))
