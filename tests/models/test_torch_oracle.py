"""Blocks and stacks agree with torch's Transformer layers."""

import numpy as np
import pytest

from keras_attention import (
    FeedForward,
    MultiHeadAttention,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.tools import near, randomize, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")
from tests.models import torch_weights  # noqa: E402

BATCH, LENGTH, SOURCE_LENGTH, DIM, HEADS, WIDE = 2, 7, 5, 12, 3, 17


def later():
    return torch.tensor(~np.tril(np.ones((LENGTH, LENGTH), bool)))


def keep(rng, length):
    mask = rng.random((BATCH, length)) < 0.6
    mask[:, 0] = True
    return mask


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


RESIDUALS = ["post_norm", "pre_norm"]


def oracle_layer(kind, activation, residual):
    return kind(
        DIM,
        HEADS,
        WIDE,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=residual == "pre_norm",
    ).eval()


def block(rng, activation, residual, cross=False):
    layer = TransformerBlock(
        MultiHeadAttention(HEADS),
        FeedForward(WIDE, activation),
        MultiHeadAttention(HEADS) if cross else None,
        residual=residual,
    )
    layer.build((None, None, DIM))
    return randomize(layer, rng)


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_block(rng, residual, activation):
    ours = block(rng, activation, residual)
    kind = torch.nn.TransformerEncoderLayer
    theirs = oracle_layer(kind, activation, residual)
    torch_weights.copy_block(ours, theirs)
    x, mask = draw(rng, LENGTH), keep(rng, LENGTH)
    with torch.no_grad():
        expected = theirs(
            torch.tensor(x), src_key_padding_mask=torch.tensor(~mask)
        )
    # Torch's fast path zeroes padding, which nobody reads.
    near(to_numpy(ours(x, padding_mask=mask))[mask], expected.numpy()[mask])


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_decoder_block(rng, residual, activation):
    ours = block(rng, activation, residual, cross=True)
    kind = torch.nn.TransformerDecoderLayer
    theirs = oracle_layer(kind, activation, residual)
    torch_weights.copy_block(ours, theirs)
    x, mask = draw(rng, LENGTH), keep(rng, LENGTH)
    memory, source_mask = draw(rng, SOURCE_LENGTH), keep(rng, SOURCE_LENGTH)
    with torch.no_grad():
        expected = theirs(
            torch.tensor(x),
            torch.tensor(memory),
            tgt_mask=later(),
            tgt_key_padding_mask=torch.tensor(~mask),
            memory_key_padding_mask=torch.tensor(~source_mask),
        )
    output = ours(
        x,
        padding_mask=mask,
        memory=memory,
        memory_padding_mask=source_mask,
        use_causal_mask=True,
    )
    near(output, expected.numpy())


def embedded(model, ids):
    """Scaled vectors with sinusoids, by NumPy."""
    table = to_numpy(model.embedding.weights[0])
    places = np.arange(ids.shape[1])[:, None]
    angles = places * 10_000.0 ** (-np.arange(DIM // 2) / (DIM // 2))
    sinusoids = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    vectors = table[ids] * np.sqrt(DIM) + sinusoids
    return torch.tensor(vectors.astype("float32"))


def final_norm(model):
    if model.final_norm is None:
        return None
    norm = torch.nn.LayerNorm(DIM)
    torch_weights.copy_norm(model.final_norm, norm)
    return norm


@pytest.mark.parametrize("residual", RESIDUALS)
def test_encoder_stack(rng, residual):
    model = TransformerEncoder(
        23,
        3,
        DIM,
        HEADS,
        intermediate_dim=WIDE,
        feed_forward="relu",
        residual=residual,
    )
    randomize(model, rng)
    kind = torch.nn.TransformerEncoderLayer
    stack = torch.nn.TransformerEncoder(
        oracle_layer(kind, "relu", residual),
        num_layers=3,
        norm=final_norm(model),
        enable_nested_tensor=False,
    ).eval()
    for ours, theirs in zip(model.blocks, stack.layers, strict=True):
        torch_weights.copy_block(ours, theirs)
    ids = rng.integers(1, 23, size=(BATCH, LENGTH))
    ids[1, -3:] = 0
    with torch.no_grad():
        expected = stack(
            embedded(model, ids), src_key_padding_mask=torch.tensor(ids == 0)
        )
    near(to_numpy(model(ids))[ids > 0], expected.numpy()[ids > 0])


@pytest.mark.parametrize("residual", RESIDUALS)
def test_decoder_stack(rng, residual):
    model = TransformerDecoder(
        23,
        2,
        DIM,
        HEADS,
        intermediate_dim=WIDE,
        feed_forward="relu",
        residual=residual,
        cross_attention="multi_head",
    )
    randomize(model, rng)
    kind = torch.nn.TransformerDecoderLayer
    stack = torch.nn.TransformerDecoder(
        oracle_layer(kind, "relu", residual),
        num_layers=2,
        norm=final_norm(model),
    ).eval()
    for ours, theirs in zip(model.blocks, stack.layers, strict=True):
        torch_weights.copy_block(ours, theirs)
    ids = rng.integers(1, 23, size=(BATCH, LENGTH))
    memory, source_mask = draw(rng, SOURCE_LENGTH), keep(rng, SOURCE_LENGTH)
    with torch.no_grad():
        hidden = stack(
            embedded(model, ids),
            torch.tensor(memory),
            tgt_mask=later(),
            memory_key_padding_mask=torch.tensor(~source_mask),
        ).numpy()
    output = model(ids, memory=memory, memory_padding_mask=source_mask)
    near(output, hidden)
    table = to_numpy(model.embedding.weights[0])
    near(model.logits(output), hidden @ table.T, 1e-4)
