"""Multi-head attention agrees with torch's, weights copied."""

import keras
import numpy as np
import pytest

from keras_attention import MultiHeadAttention
from tests.tools import near, randomize, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")

BATCH, LENGTH, KEY_LENGTH, HEADS, DIM = 3, 7, 5, 3, 15


def pair(rng, key_dim=DIM, value_dim=DIM, bias=True):
    """Our layer with random weights and torch's with the same."""
    ours = MultiHeadAttention(HEADS, use_bias=bias)
    ours.build(*((None, None, width) for width in (DIM, value_dim, key_dim)))
    randomize(ours, rng)
    theirs = torch.nn.MultiheadAttention(
        DIM, HEADS, bias=bias, batch_first=True, kdim=key_dim, vdim=value_dim
    ).eval()
    denses = (ours.query_dense, ours.key_dense, ours.value_dense)
    kernels = [
        torch.tensor(to_numpy(d.kernel).reshape(-1, DIM).T) for d in denses
    ]
    with torch.no_grad():
        if theirs._qkv_same_embed_dim:
            theirs.in_proj_weight.copy_(torch.cat(kernels))
        else:
            for name, kernel in zip("qkv", kernels, strict=True):
                getattr(theirs, f"{name}_proj_weight").copy_(kernel)
        output = to_numpy(ours.output_dense.kernel).reshape(DIM, DIM)
        theirs.out_proj.weight.copy_(torch.tensor(output.T))
        if bias:
            biases = [to_numpy(d.bias).reshape(-1) for d in denses]
            theirs.in_proj_bias.copy_(torch.tensor(np.concatenate(biases)))
            output = to_numpy(ours.output_dense.bias)
            theirs.out_proj.bias.copy_(torch.tensor(output))
    return ours, theirs


def draw(rng, length, dim=DIM):
    return rng.normal(size=(BATCH, length, dim)).astype("float32")


def run(layer, *inputs, **arguments):
    with torch.no_grad():
        output, weights = layer(
            *(torch.tensor(x) for x in inputs),
            average_attn_weights=False,
            **arguments,
        )
    return output.numpy(), weights.numpy()


@pytest.mark.parametrize("bias", [True, False])
def test_self_attention(rng, bias):
    ours, theirs = pair(rng, bias=bias)
    x = draw(rng, LENGTH)
    output, weights = run(theirs, x, x, x)
    near(ours(x), output)
    near(ours.attention_weights(x), weights)


def test_causal_and_padded(rng):
    ours, theirs = pair(rng)
    x = draw(rng, LENGTH)
    padding = rng.random((BATCH, LENGTH)) < 0.5
    padding[:, 0] = True
    later = torch.tensor(~np.tril(np.ones((LENGTH, LENGTH), bool)))
    expected, _ = run(theirs, x, x, x, attn_mask=later)
    near(ours(x, use_causal_mask=True), expected)
    expected, _ = run(theirs, x, x, x, key_padding_mask=torch.tensor(~padding))
    near(ours(x, padding_mask=padding), expected)
    expected, _ = run(
        theirs,
        x,
        x,
        x,
        key_padding_mask=torch.tensor(~padding),
        attn_mask=later,
    )
    near(ours(x, padding_mask=padding, use_causal_mask=True), expected)


def test_dense_mask(rng):
    ours, theirs = pair(rng)
    x = draw(rng, LENGTH)
    mask = rng.random((BATCH, LENGTH, LENGTH)) < 0.5
    mask |= np.eye(LENGTH, dtype=bool)
    hidden = torch.tensor(~mask).repeat_interleave(HEADS, dim=0)
    expected, _ = run(theirs, x, x, x, attn_mask=hidden)
    near(ours(x, attention_mask=mask), expected)


def test_cross_attention(rng):
    ours, theirs = pair(rng)
    x, source = draw(rng, LENGTH), draw(rng, KEY_LENGTH)
    padding = np.ones((BATCH, KEY_LENGTH), bool)
    padding[0, 1:] = padding[1, 3] = False
    expected, weights = run(
        theirs, x, source, source, key_padding_mask=torch.tensor(~padding)
    )
    near(ours(x, source, padding_mask=padding), expected)
    near(ours.attention_weights(x, source, padding_mask=padding), weights)
    memory = ours.init_memory(source, padding_mask=padding)
    near(ours(x, memory=memory), expected)


def test_key_and_value_of_other_widths(rng):
    ours, theirs = pair(rng, key_dim=13, value_dim=11)
    x = draw(rng, LENGTH)
    key, value = draw(rng, KEY_LENGTH, 13), draw(rng, KEY_LENGTH, 11)
    expected, _ = run(theirs, x, key, value)
    near(ours(x, value, key), expected)


def test_keras_own_layer(rng):
    theirs = keras.layers.MultiHeadAttention(HEADS, DIM // HEADS)
    ours, _ = pair(rng)
    x, source = draw(rng, LENGTH), draw(rng, KEY_LENGTH)
    theirs.build(x.shape, source.shape)
    # The same sublayers in the same order, so weights move over as they are.
    theirs.set_weights(ours.get_weights())
    near(ours(x, source), theirs(x, source))
