"""Linformer against the `linformer` package."""

import numpy as np
import pytest

from keras_attention import LinformerAttention, RotaryEmbedding
from tests.tools import near, randomize, to_numpy

BATCH, DIM, HEADS, MAX_LENGTH, RANK = 2, 15, 3, 13, 5


def make(rng, **options):
    options = {"max_length": MAX_LENGTH, "rank": RANK, **options}
    layer = LinformerAttention(HEADS, use_bias=False, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def copy(torch, target, source, transposed=False):
    array = np.array(to_numpy(source))
    array = array.T if transposed else array
    with torch.no_grad():
        target.copy_(torch.tensor(array.copy()))


def theirs(layer, x, mask=None):
    """The package's output; padding hidden as its users do, in the input."""
    torch = pytest.importorskip("torch")
    linformer = pytest.importorskip("linformer.linformer")
    oracle = linformer.LinformerSelfAttention(
        DIM,
        MAX_LENGTH,
        k=RANK,
        heads=HEADS,
        one_kv_head=layer.num_kv_heads == 1,
        share_kv=layer.share_key_value,
    )
    for name, dense in (
        ("to_q", layer.query_dense),
        ("to_k", layer.key_dense),
        ("to_v", layer.value_dense),
    ):
        if hasattr(oracle, name):
            kernel = to_numpy(dense.kernel).reshape(DIM, -1)
            copy(torch, getattr(oracle, name).weight, kernel, transposed=True)
    kernel = to_numpy(layer.output_dense.kernel).reshape(-1, DIM)
    copy(torch, oracle.to_out.weight, kernel, transposed=True)
    copy(torch, oracle.to_out.bias, np.zeros(DIM))
    copy(torch, oracle.proj_k, layer.key_mixing)
    if not layer.share_key_value:
        copy(torch, oracle.proj_v, layer.value_mixing)
    context = x if mask is None else np.where(mask[..., None], x, 0)
    # Its queries are not the keys, so that padding is hidden in these alone.
    return oracle(torch.tensor(x), context=torch.tensor(context))


@pytest.mark.parametrize("length", [7, MAX_LENGTH])
@pytest.mark.parametrize("num_kv_heads", [HEADS, 1])
@pytest.mark.parametrize("padded", [False, True])
def test_it_agrees_with_the_package(rng, length, num_kv_heads, padded):
    layer = make(rng, num_kv_heads=num_kv_heads)
    x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
    mask = rng.random((BATCH, length)) < 0.6 if padded else None
    output = layer(x, padding_mask=mask)
    near(output, theirs(layer, x, mask).detach().numpy())


def test_shared_mixing_agrees_with_the_package(rng):
    # There `share_kv` makes one of the projections of keys and values too.
    layer = make(rng, share_key_value=True)
    layer.value_dense.kernel.assign(to_numpy(layer.key_dense.kernel))
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    near(layer(x), theirs(layer, x).detach().numpy())
    assert len(layer.weights) == 5
    assert len(make(rng).weights) == 6


def test_heads_with_mixings_of_their_own(rng):
    layer = make(rng, per_head=True)
    assert tuple(layer.key_mixing.shape) == (HEADS, MAX_LENGTH, RANK)
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    shared = make(rng)
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        own = getattr(layer, name).get_weights()
        getattr(shared, name).set_weights(own)
    _, values = layer.project_source(x, x)
    parts = []
    for head in range(HEADS):
        for name in ("key_mixing", "value_mixing"):
            own = to_numpy(getattr(layer, name))[head]
            getattr(shared, name).assign(own)
        weights = to_numpy(shared.attention_weights(x))[:, head]
        own = to_numpy(values)[:, :, head]
        parts.append(np.einsum("bts,bsd->btd", weights, own))
    output = layer.project_output(np.stack(parts, axis=2), x)
    near(layer(x), output)


def test_weights_and_positions_are_as_defined(rng):
    layer = make(rng, position=RotaryEmbedding(fraction=0.8))
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    turned = [
        layer.position.rotate(dense(x), np.arange(7), role)
        for dense, role in (
            (layer.query_dense, "query"),
            (layer.key_dense, "key"),
        )
    ]
    query, key = (x.astype("float64") for x in to_numpy(turned))
    mixed = np.einsum("bshd,sr->brhd", key, to_numpy(layer.key_mixing)[:7])
    scores = np.einsum("bthd,brhd->bhtr", query, mixed) / np.sqrt(5)
    raised = np.exp(scores)
    weights = raised / raised.sum(axis=-1, keepdims=True)
    back = to_numpy(layer.value_mixing)[:7]
    expected = np.einsum("bhtr,sr->bhts", weights, back)
    near(layer.attention_weights(x), expected)


def test_each_mixing_starts_with_the_deviation_of_its_fans():
    for per_head in (False, True):
        layer = LinformerAttention(4, rank=64, per_head=per_head)
        layer.build((None, None, 8))
        deviation = to_numpy(layer.key_mixing).std()
        assert abs(deviation / np.sqrt(2 / (512 + 64)) - 1) < 0.1


def test_a_longer_sequence_is_refused(rng):
    layer = make(rng)
    x = np.zeros((BATCH, MAX_LENGTH + 1, DIM), "float32")
    for call in (layer, layer.attention_weights):
        with pytest.raises(ValueError, match="max_length=13.*14.*Nystrom"):
            call(x)
    # The queries may be as many as they like.
    assert layer(x, x[:, :3]).shape[1] == MAX_LENGTH + 1


@pytest.mark.parametrize("name", ["max_length", "rank"])
@pytest.mark.parametrize("wrong", [0, 2.5, None])
def test_wrong_sizes_are_refused(name, wrong):
    with pytest.raises(ValueError, match=f"{name} must be a positive"):
        LinformerAttention(2, **{name: wrong})
