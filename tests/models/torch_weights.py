"""Copies weights of our blocks into torch's Transformer layers."""

import numpy as np
import torch

from tests.tools import to_numpy


def _set(parameter, values):
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.ascontiguousarray(values)))


def copy_attention(ours, theirs):
    """Into a `torch.nn.MultiheadAttention` of one width."""
    dim = theirs.embed_dim
    denses = (ours.query_dense, ours.key_dense, ours.value_dense)
    kernels = [to_numpy(d.kernel).reshape(dim, dim).T for d in denses]
    _set(theirs.in_proj_weight, np.concatenate(kernels))
    biases = [to_numpy(d.bias).reshape(dim) for d in denses]
    _set(theirs.in_proj_bias, np.concatenate(biases))
    output = to_numpy(ours.output_dense.kernel).reshape(dim, dim)
    _set(theirs.out_proj.weight, output.T)
    _set(theirs.out_proj.bias, to_numpy(ours.output_dense.bias))


def copy_dense(ours, theirs):
    """Into a `torch.nn.Linear`."""
    _set(theirs.weight, to_numpy(ours.kernel).T)
    _set(theirs.bias, to_numpy(ours.bias))


def copy_norm(ours, theirs):
    """Into a `torch.nn.LayerNorm`."""
    _set(theirs.weight, to_numpy(ours.gamma))
    _set(theirs.bias, to_numpy(ours.beta))


def copy_block(ours, theirs):
    """Into a `TransformerEncoderLayer` or a `TransformerDecoderLayer`."""
    copy_attention(ours.attention, theirs.self_attn)
    if ours.cross_attention is not None:
        copy_attention(ours.cross_attention, theirs.multihead_attn)
    copy_dense(ours.feed_forward.up_dense, theirs.linear1)
    copy_dense(ours.feed_forward.down_dense, theirs.linear2)
    for index, norm in enumerate(ours.norms, 1):
        copy_norm(norm, getattr(theirs, f"norm{index}"))
