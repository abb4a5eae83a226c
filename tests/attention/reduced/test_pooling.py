"""Learned queries, beside perceiver_pytorch and a definition in float64."""

import numpy as np
import pytest

from keras_attention import AttentionPooling, PerceiverAttention
from tests.attention import reference
from tests.tools import near, randomize, to_numpy

DIM, HEADS = 12, 3


@pytest.mark.parametrize(("length", "num_seeds"), [(11, 5), (2, 1)])
def test_pooling_is_attention_of_the_seeds(rng, length, num_seeds):
    layer = AttentionPooling(HEADS, num_seeds=num_seeds)
    layer.build((None, length, DIM))
    randomize(layer, rng)
    x = rng.normal(size=(2, length, DIM)).astype("float32")
    padding = rng.random((2, length)) < 0.7
    seeds = to_numpy(layer.queries)[None].repeat(2, axis=0)
    output, weights = reference.attention(
        to_numpy(layer.query_dense(seeds)),
        to_numpy(layer.key_dense(x)),
        to_numpy(layer.value_dense(x)),
        padding[:, None].repeat(num_seeds, axis=1),
    )
    near(
        layer(x, padding_mask=padding),
        layer.output_dense(output.astype("float32")),
    )
    near(layer.attention_weights(x, padding_mask=padding), weights)


@pytest.mark.parametrize(("length", "num_latents"), [(11, 5), (7, 13)])
def test_perceiver_pytorch(rng, length, num_latents):
    torch = pytest.importorskip("torch")
    perceiver = pytest.importorskip("perceiver_pytorch.perceiver_pytorch")
    latent_dim, head_dim = 10, 6
    layer = PerceiverAttention(
        HEADS, head_dim, num_latents=num_latents, latent_dim=latent_dim
    )
    layer.build((None, length, DIM))
    randomize(layer, rng)
    theirs = perceiver.PreNorm(
        latent_dim,
        perceiver.Attention(latent_dim, DIM, heads=HEADS, dim_head=head_dim),
        context_dim=DIM,
    ).eval()
    x = rng.normal(size=(2, length, DIM)).astype("float32")
    padding = rng.random((2, length)) < 0.7
    padding[:, 0] = True
    # Their projections have no bias, but for the output's.
    for dense in (layer.query_dense, layer.key_dense, layer.value_dense):
        dense.bias.assign(np.zeros(dense.bias.shape))

    def tensor(x):
        return torch.tensor(to_numpy(x))

    with torch.no_grad():
        for norm, own in (
            (theirs.norm, layer.latent_norm),
            (theirs.norm_context, layer.input_norm),
        ):
            norm.weight.copy_(tensor(own.gamma))
            norm.bias.copy_(tensor(own.beta))
        inner = HEADS * head_dim
        kernels = [
            to_numpy(dense.kernel).reshape(-1, inner).T
            for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
        ]
        theirs.fn.to_q.weight.copy_(torch.tensor(kernels[0]))
        theirs.fn.to_kv.weight.copy_(torch.tensor(np.concatenate(kernels[1:])))
        kernel = to_numpy(layer.output_dense.kernel).reshape(inner, latent_dim)
        theirs.fn.to_out.weight.copy_(torch.tensor(kernel.T))
        theirs.fn.to_out.bias.copy_(tensor(layer.output_dense.bias))
        latents = tensor(layer.queries)[None].repeat(2, 1, 1)
        expected = theirs(
            latents, context=torch.tensor(x), mask=torch.tensor(padding)
        ).numpy()
    near(layer(x, padding_mask=padding), expected)
    # What was found reads the input again.
    near(layer(latents.numpy(), x, padding_mask=padding), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttentionPooling(2, num_seeds=0), "num_seeds.*0"),
        (lambda: PerceiverAttention(2, num_latents=-1), "num_latents.*-1"),
        (lambda: PerceiverAttention(2, latent_dim=1.5), "latent_dim.*1.5"),
        (lambda: AttentionPooling(2, position="rotary"), "rotation"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_perceiver_has_one_input(rng):
    x = rng.normal(size=(2, 5, DIM)).astype("float32")
    with pytest.raises(ValueError, match="one input"):
        PerceiverAttention(3)(x, x + 1, x + 2)


@pytest.mark.parametrize("cls", [AttentionPooling, PerceiverAttention])
def test_weights_of_an_unbuilt_layer_for_another_width(rng, cls):
    latents, x = rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 5, DIM))
    weights = cls(HEADS).attention_weights(latents, x)
    assert tuple(weights.shape) == (2, HEADS, 3, 5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_one_input_as_value_and_key(rng, dtype):
    layer = PerceiverAttention(HEADS, dtype=dtype)
    latents, x = rng.normal(size=(2, 3, DIM)), rng.normal(size=(2, 5, DIM))
    latents, x = latents.astype("float32"), x.astype("float32")
    near(layer(latents, x, x), layer(latents, x), 0)
