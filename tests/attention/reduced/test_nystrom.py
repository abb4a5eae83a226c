"""Nyström attention against two packages and its definition."""

import numpy as np
import pytest

from keras_attention import (
    MultiHeadAttention,
    NystromAttention,
    RotaryEmbedding,
)
from keras_attention.attention.reduced.nystrom import iterative_pseudo_inverse
from tests.tools import near, randomize, to_numpy

BATCH, HEADS, HEAD_DIM = 2, 3, 5
DIM = HEADS * HEAD_DIM


def make(rng, num_landmarks, **options):
    layer = NystromAttention(HEADS, num_landmarks=num_landmarks, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def share_projection(layer):
    """Makes the keys the queries, so that A is far from singular."""
    layer.key_dense.set_weights(layer.query_dense.get_weights())
    return layer


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def tensor(x):
    torch = pytest.importorskip("torch")
    return torch.tensor(np.array(to_numpy(x)))


def matrix_by_matrix(inverse):
    """Their pseudo-inverse, which starts from the norms of a whole batch."""
    torch = pytest.importorskip("torch")

    def invert(x, *arguments):
        flat = x.reshape(-1, 1, *x.shape[-2:])
        parts = [inverse(part[None], *arguments)[0] for part in flat]
        return torch.stack(parts).reshape(x.shape)

    return invert


def package(monkeypatch, layer, x, mask):
    """`nystrom_attention`, which pads in front: fed from back to front."""
    theirs = pytest.importorskip("nystrom_attention.nystrom_attention")
    inverse = matrix_by_matrix(theirs.moore_penrose_iter_pinv)
    monkeypatch.setattr(theirs, "moore_penrose_iter_pinv", inverse)
    size = layer.conv_kernel_size
    oracle = theirs.NystromAttention(
        DIM,
        HEAD_DIM,
        HEADS,
        layer.num_landmarks,
        layer.num_iterations,
        residual=size is not None,
        residual_conv_kernel=size or 1,
        eps=0.0,
    )
    kernels = [
        to_numpy(dense.kernel).reshape(DIM, -1)
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    ]
    weights = {
        "to_qkv.weight": tensor(np.concatenate(kernels, axis=1).T),
        "to_out.0.weight": tensor(
            to_numpy(layer.output_dense.kernel).reshape(-1, DIM).T
        ),
        "to_out.0.bias": tensor(np.zeros(DIM, "float32")),
    }
    if size is not None:
        kernel = to_numpy(layer.conv_kernel)[::-1, :, :, 0].copy()
        weights["res_conv.weight"] = tensor(kernel.transpose(2, 0, 1)[:, None])
    oracle.load_state_dict(weights)
    mask = tensor(mask[:, ::-1].copy())
    output = oracle(tensor(x[:, ::-1].copy()), mask=mask)
    return output.detach().numpy()[:, ::-1]


@pytest.mark.parametrize("length, num_landmarks", [(12, 4), (11, 3)])
@pytest.mark.parametrize("conv_kernel_size", [None, 3])
def test_it_agrees_with_the_package(
    rng, monkeypatch, length, num_landmarks, conv_kernel_size
):
    layer = make(
        rng, num_landmarks, conv_kernel_size=conv_kernel_size, use_bias=False
    )
    x, mask = draw(rng, length), rng.random((BATCH, length)) < 0.6
    # Both know where a row ends, and no segment is empty.
    mask[:, 0] = mask[:, -1] = True
    mask[:, :: -(-length // num_landmarks)] = True
    output = to_numpy(layer(x, padding_mask=mask))
    near(output[mask], package(monkeypatch, layer, x, mask)[mask])
    everything = np.ones_like(mask)
    near(layer(x), package(monkeypatch, layer, x, everything))


@pytest.mark.parametrize("conv_kernel_size", [3, 5])
def test_it_agrees_with_transformers(rng, conv_kernel_size):
    pytest.importorskip("transformers")
    from transformers import NystromformerConfig
    from transformers.models.nystromformer import modeling_nystromformer

    length, num_landmarks = 21, 7
    config = NystromformerConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_landmarks=num_landmarks,
        segment_means_seq_len=length,
        conv_kernel_size=conv_kernel_size,
        inv_coeff_init_option=False,
    )
    oracle = modeling_nystromformer.NystromformerSelfAttention(config).eval()
    oracle.iterative_inv = matrix_by_matrix(oracle.iterative_inv)
    layer = make(rng, num_landmarks, conv_kernel_size=conv_kernel_size)
    weights = {}
    for name in ("query", "key", "value"):
        dense = getattr(layer, f"{name}_dense")
        kernel = to_numpy(dense.kernel).reshape(DIM, -1)
        weights[f"{name}.weight"] = tensor(kernel.T)
        weights[f"{name}.bias"] = tensor(to_numpy(dense.bias).reshape(-1))
    kernel = to_numpy(layer.conv_kernel)[:, :, :, 0]
    weights["conv.weight"] = tensor(kernel.transpose(2, 0, 1)[:, None])
    oracle.load_state_dict(weights)
    x = draw(rng, length)
    (heads,) = oracle(tensor(x))
    heads = heads.detach().numpy().reshape(BATCH, length, HEADS, HEAD_DIM)
    near(layer(x), layer.project_output(heads, x))


def softmax(scores):
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def definition(query, key, num_landmarks):
    """F A+ B of one row and head in float64, with the true inverse."""
    length = len(query)
    size = -(-length // num_landmarks)
    query = query.astype("float64") * HEAD_DIM**-0.5
    key = key.astype("float64")
    cuts = range(0, length, size)
    query_means = np.stack([query[i : i + size].mean(axis=0) for i in cuts])
    key_means = np.stack([key[i : i + size].mean(axis=0) for i in cuts])
    inverse = np.linalg.pinv(softmax(query_means @ key_means.T))
    to_keys = softmax(query_means @ key.T)
    return softmax(query @ key_means.T) @ inverse @ to_keys


@pytest.mark.parametrize("length, num_landmarks", [(5, 4), (3, 5), (13, 5)])
def test_empty_segments_and_padding_are_left_out(rng, length, num_landmarks):
    layer = share_projection(make(rng, num_landmarks, num_iterations=20))
    x = 2 * draw(rng, length + 4)
    mask = np.arange(length + 4) < [[length], [length - 1]]
    weights = to_numpy(layer.attention_weights(x, padding_mask=mask))
    query, key = to_numpy(layer.query_dense(x)), to_numpy(layer.key_dense(x))
    for row, stop in enumerate((length, length - 1)):
        for head in range(HEADS):
            expected = definition(
                query[row, :stop, head], key[row, :stop, head], num_landmarks
            )
            near(weights[row, head, :stop, :stop], expected, 1e-3)
            assert np.all(weights[row, head, :, stop:] == 0)


def test_enough_landmarks_and_iterations_are_exact_attention(rng):
    position = RotaryEmbedding(fraction=0.8)
    layer = make(rng, 7, num_iterations=25, position=position)
    share_projection(layer)
    exact = MultiHeadAttention(HEADS, position=position)
    exact.build((BATCH, None, DIM))
    exact.set_weights(layer.get_weights())
    x = 2 * draw(rng, 7)
    near(layer(x), exact(x), 1e-3)


def test_no_row_depends_on_what_another_starts_from(rng):
    weights = rng.random((4, 3, 5, 5)).astype("float32")
    weights[1] *= 100
    together = to_numpy(iterative_pseudo_inverse(weights, 3))
    for row in range(4):
        alone = iterative_pseudo_inverse(weights[row : row + 1], 3)
        near(alone[0], together[row], 1e-6)
    near(iterative_pseudo_inverse(0 * weights, 3), 0 * weights)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_landmarks": 0}, "num_landmarks must be a positive"),
        ({"num_iterations": 1.5}, "num_iterations must be a positive"),
        ({"conv_kernel_size": 4}, "conv_kernel_size must be odd"),
        ({"conv_kernel_size": 0}, "conv_kernel_size must be a positive"),
    ],
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        NystromAttention(2, **wrong)
