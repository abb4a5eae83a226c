"""Attention modules of Hugging Face's models as oracles."""

import importlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the oracle")
pytest.importorskip("transformers", reason="the oracle")

THETA = 77.0


def make(rng, model, prefix, layer_idx=0, kind=None, config="", **options):
    """Draws an attention module and the rotation that belongs to it.

    Args:
        rng: generator of the weights.
        model: name of the folder in `transformers.models`.
        prefix: what the names of its classes begin with.
        layer_idx: integer, the number of the block.
        kind: the kind of all layers, for families whose kinds have rotations
            of their own.
        config: what the name of the configuration's class begins with, where
            that differs.
        **options: of its configuration.

    Returns:
        `(module, call)`; `call(x, mask)` with a boolean mask `(batch, length,
        length)` gives NumPy.
    """
    module = importlib.import_module(
        f"transformers.models.{model}.modeling_{model}"
    )
    rope = {"rope_type": "default", "rope_theta": THETA}
    rope.update(options.pop("rope", {}))
    if kind is not None:
        options.update(layer_types=[kind], num_hidden_layers=1)
        rope = {kind: rope}
    make_config = getattr(module, f"{config or prefix}Config")
    config = make_config(rope_parameters=rope, **options)
    config._attn_implementation = "eager"
    attention = getattr(module, f"{prefix}Attention")(config, layer_idx).eval()
    turn = getattr(module, f"{prefix}RotaryEmbedding")(config)
    for parameter in attention.parameters():
        drawn = torch.tensor(0.3 * rng.normal(size=parameter.shape))
        parameter.data = drawn.to(torch.float32)

    rotation = {} if kind is None else {"layer_type": kind}

    def call(x, mask):
        positions, x = torch.arange(x.shape[1])[None], torch.tensor(x)
        added = np.where(mask[:, None], 0.0, -1e30).astype("float32")
        with torch.no_grad():
            angles = turn(x, positions, **rotation)
            output = attention(x, angles, torch.tensor(added))
        return output[0].numpy()

    return attention, call


def copy(dense, linear, rows=None):
    """Copies a linear map, or those of its rows that an array picks."""
    weight = linear.weight.detach().numpy()
    rows = slice(None) if rows is None else rows
    dense.kernel.assign(weight[rows].T.reshape(dense.kernel.shape))
    if dense.bias is not None:
        bias = linear.bias.detach().numpy()[rows]
        dense.bias.assign(bias.reshape(dense.bias.shape))


def copy_projections(layer, attention):
    """Copies those that are called the same everywhere."""
    copy(layer.query_dense, attention.q_proj)
    copy(layer.key_dense, attention.k_proj)
    copy(layer.value_dense, attention.v_proj)
    copy(layer.output_dense, attention.o_proj)


def masks(batch, length):
    """Causal masks without padding, and with some at the left of a row."""
    causal = np.tril(np.ones((batch, length, length), bool))
    padding = np.ones((batch, length), bool)
    yield None, causal
    padding[1, :4] = False
    yield padding, causal & padding[:, None]
