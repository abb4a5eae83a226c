"""PyTorch's flex attention, for the flavours that are softmax with a mask."""

import warnings

import numpy as np
import pytest

from tests.tools import to_numpy


def flex_attention(layer, x, mask, source=None):
    """What a layer with these projections gives under any mask.

    Args:
        layer: a built layer without a position.
        x: `(batch, query_length, dim)`.
        mask: boolean, broadcastable to `(batch, heads, query_length,
            key_length)`.
        source: `(batch, key_length, dim)`; by default `x`.
    """
    torch = pytest.importorskip("torch", reason="the oracle")
    from torch.nn.attention import flex_attention as flex

    source = x if source is None else source
    query = to_numpy(layer.query_dense(x))
    key, value = map(to_numpy, layer.project_source(source, source))
    heads = [torch.tensor(h).transpose(1, 2) for h in (query, key, value)]
    shape = (*query.shape[:3:2], query.shape[1], key.shape[1])
    mask = torch.tensor(np.broadcast_to(mask, shape).copy())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not compiled
        blocks = flex.create_block_mask(
            lambda b, h, t, s: mask[b, h, t, s], *shape, device="cpu"
        )
        output = flex.flex_attention(*heads, block_mask=blocks, enable_gqa=True)
    output = output.transpose(1, 2).numpy()
    return to_numpy(layer.project_output(output, x))


def causal(length):
    return np.tril(np.ones((length, length), bool))
