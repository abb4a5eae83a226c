"""Cosine attention, beside Hugging Face's Swin V2 and its definition."""

import numpy as np
import pytest

from keras_attention import CosineAttention
from tests.tools import BACKEND, near, randomize, to_numpy

BATCH, LENGTH, DIM, HEADS = 3, 16, 12, 3


def make(rng, **options):
    layer = CosineAttention(HEADS, **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng, 0.5)


# In float32 a score of up to 100 is rounded by up to 4e-6, in theirs as well.
@pytest.mark.parametrize(
    ("dtype", "logit_scale"),
    [
        ("float32", [0.3, 3.0, 2.0]),
        pytest.param(
            "float64",
            [0.3, 6.0, 2.0],  # the second is beyond the largest factor
            marks=pytest.mark.skipif(
                BACKEND == "jax", reason="no float64 unless it is switched on"
            ),
        ),
    ],
)
def test_hugging_face_swin_v2(rng, dtype, logit_scale):
    torch = pytest.importorskip("torch")
    swin = pytest.importorskip("transformers.models.swinv2.modeling_swinv2")
    config = swin.Swinv2Config(attention_probs_dropout_prob=0.0)
    theirs = swin.Swinv2SelfAttention(config, DIM, HEADS, (4, 4)).eval()
    theirs.to(getattr(torch, dtype))
    layer = make(rng, dtype=dtype)
    layer.logit_scale.assign(np.reshape(logit_scale, (HEADS, 1, 1)))
    layer.key_dense.bias.assign(np.zeros((HEADS, DIM // HEADS)))
    output = layer.output_dense
    output.kernel.assign(np.eye(DIM).reshape(output.kernel.shape))
    output.bias.assign(np.zeros(DIM))
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype(dtype)
    with torch.no_grad():
        copy_weights(layer, theirs, torch)
        expected = theirs(torch.tensor(x))[0]
    expected = expected.numpy()
    limit = 1e-5 if dtype == "float32" else 1e-12
    near(layer(x), expected, atol=limit, rtol=limit)


def copy_weights(layer, theirs, torch):
    for linear, dense in (
        (theirs.query, layer.query_dense),
        (theirs.key, layer.key_dense),
        (theirs.value, layer.value_dense),
    ):
        kernel = to_numpy(dense.kernel).reshape(DIM, DIM)
        linear.weight.copy_(torch.tensor(kernel.T))
        if linear.bias is not None:
            bias = to_numpy(dense.bias).reshape(DIM)
            linear.bias.copy_(torch.tensor(bias))
    theirs.logit_scale.copy_(torch.tensor(to_numpy(layer.logit_scale)))
    # Their bias of positions, no part of the flavour, becomes the same for
    # all pairs, and so cancels.
    for parameter in theirs.continuous_position_bias_mlp.parameters():
        parameter.zero_()


def test_the_definition_with_grouped_keys(rng):
    layer = CosineAttention(4, 3, 2, use_bias=False)
    layer.build((BATCH, LENGTH, DIM))
    randomize(layer, rng, 0.5)
    x = rng.normal(size=(BATCH, LENGTH, DIM))
    query, key, value = (
        np.einsum("btm,mhd->bthd", x, to_numpy(dense.kernel))
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    key, value = (np.repeat(heads, 2, axis=2) for heads in (key, value))
    query, key = (
        heads / np.linalg.norm(heads, axis=-1, keepdims=True)
        for heads in (query, key)
    )
    scale = np.exp(np.minimum(to_numpy(layer.logit_scale), np.log(100)))
    scores = scale * np.einsum("bthd,bshd->bhts", query, key)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    near(layer.attention_weights(x.astype("float32")), weights)


def test_a_head_starts_with_the_factor_that_is_asked_for():
    layer = CosineAttention(2, initial_scale=4.0)
    layer.build((1, 5, DIM))
    near(np.exp(to_numpy(layer.logit_scale)), np.full((2, 1, 1), 4.0))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"initial_scale": 0.0}, "initial_scale.*positive|initial_scale.*0"),
        ({"initial_scale": 101.0}, "initial_scale.*100"),
        ({"max_scale": -1.0}, "max_scale"),
    ],
)
def test_factors_that_make_no_sense_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        CosineAttention(2, **options)
