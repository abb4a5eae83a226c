"""What the definitions of scored flavours share, in NumPy and float64."""

import numpy as np

from keras_attention import PositionalEncoding
from tests.attention.reference import EveryHook
from tests.tools import to_numpy


class ScoreHooks(EveryHook):
    """Biases the scores and adds to the output, but does no more."""

    rotate = PositionalEncoding.rotate
    scale = PositionalEncoding.scale


def project(dense, x, heads):
    """The heads of `x`; where there is no projection, cuts it."""
    x = np.asarray(x, "float64")
    if dense is None:
        return x.reshape(*x.shape[:2], heads, -1)
    output = np.einsum("btm,mhd->bthd", x, to_numpy(dense.kernel))
    return output + (0 if dense.bias is None else to_numpy(dense.bias))


def project_output(dense, heads):
    """Joins heads, and projects them where there is a projection."""
    if dense is None:
        return heads.reshape(*heads.shape[:2], -1)
    output = np.einsum("bthd,hdm->btm", heads, to_numpy(dense.kernel))
    return output + (0 if dense.bias is None else to_numpy(dense.bias))


def softmax(scores, mask):
    """Weights of the keys that count; zeros where there is none."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True)) * mask
    total = raised.sum(axis=-1, keepdims=True)
    return raised / np.where(total > 0, total, 1.0)


def visible(padding=None, dense=None, causal=False, shape=None):
    """The boolean mask `(batch, query_length, key_length)` of a call."""
    mask = np.ones(shape, bool)
    if padding is not None:
        mask &= padding[:, None]
    if dense is not None:
        mask &= dense
    if causal:
        mask &= np.tril(np.ones(shape[1:], bool))
    return mask


def hooks(position, length):
    """The bias and the vectors of `ScoreHooks` in self-attention."""
    slopes, vectors = position.get_weights()
    distance = np.arange(length)[:, None] - np.arange(length)
    middle = len(vectors) // 2
    return slopes[:, None, None] * distance, vectors[distance + middle]
