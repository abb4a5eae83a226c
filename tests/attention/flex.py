"""PyTorch's flex attention, for the flavours that are softmax with a mask."""

import warnings

import numpy as np
import pytest

from tests.tools import to_numpy


def flex_attention(layer, x, mask, source=None):
    """What a layer with these projections gives under any mask.

    Options of the softmax are computed by torch as well: its normalizations,
    its scale, a function of the scores, and the sum that a sink joins.

    Args:
        layer: a built layer without a position.
        x: `(batch, query_length, dim)`.
        mask: boolean, broadcastable to `(batch, heads, query_length,
            key_length)`.
        source: `(batch, key_length, dim)`; by default `x`.
    """
    pytest.importorskip("torch", reason="the oracle")
    source = x if source is None else source
    output = mix_heads(
        layer,
        _normalized(layer, "query", layer.query_dense(x)),
        _normalized(layer, "key", layer.key_dense(source)),
        layer.value_dense(source),
        mask,
    )
    return to_numpy(layer.project_output(output, x))


def mix_heads(layer, query, key, value, mask, sinks=None):
    """Mixes values as `flex_attention` does, of heads that are made already.

    Args:
        layer: the layer whose options count.
        query, key, value: `(batch, length, heads, head_dim)`.
        mask: as of `flex_attention`.
        sinks: `(heads,)`; by default those of the layer, if it has some.

    Returns:
        NumPy `(batch, query_length, heads, head_dim)`.
    """
    torch = pytest.importorskip("torch", reason="the oracle")
    from torch.nn.attention import flex_attention as flex

    heads = [torch.tensor(to_numpy(x)) for x in (query, key, value)]
    query, key, value = (x.transpose(1, 2) for x in heads)
    shape = (*query.shape[:3], key.shape[2])
    mask = torch.tensor(np.broadcast_to(mask, shape).copy())
    cap = getattr(layer, "logit_softcap", None)
    bounded = None if cap is None else (lambda s, *_: cap * torch.tanh(s / cap))
    if getattr(layer, "off_by_one", False):
        sinks = np.zeros(shape[1], "float32")
    elif sinks is None and getattr(layer, "sink_logits", False):
        sinks = to_numpy(layer.sinks)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not compiled
        blocks = flex.create_block_mask(
            lambda b, h, t, s: mask[b, h, t, s], *shape, device="cpu"
        )
        output, total = flex.flex_attention(
            query,
            key,
            value,
            score_mod=bounded,
            block_mask=blocks,
            scale=getattr(layer, "scale", None),
            enable_gqa=True,
            return_lse=True,
        )
        if sinks is not None:
            sinks = torch.tensor(sinks)[:, None]
            output = output * torch.sigmoid(total - sinks)[..., None]
    return output.transpose(1, 2).numpy()


def _normalized(layer, name, heads):
    """Normalizes heads as the layer's `qk_norm` says, by functions of torch."""
    import torch

    heads = torch.tensor(to_numpy(heads))
    if not getattr(layer, "qk_norm", False):
        return heads
    norm, shape = getattr(layer, f"{name}_norm"), heads.shape
    if layer.qk_norm_over == "all_heads":
        heads = heads.flatten(2)
    weights = [torch.tensor(to_numpy(w)) for w in norm.weights]
    function = torch.nn.functional.rms_norm
    if "layer_norm" in str(layer.qk_norm):
        function = torch.nn.functional.layer_norm
    found = function(heads, heads.shape[-1:], *weights, eps=norm.epsilon)
    return found.reshape(shape)


def causal(length):
    return np.tril(np.ones((length, length), bool))
