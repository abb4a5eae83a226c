"""Entmax attention agrees with the `entmax` package."""

import itertools

import numpy as np
import pytest
from keras import ops

from keras_attention import EntmaxAttention
from keras_attention.attention.exact.entmax import entmax
from tests.tools import compiled, gradients, near, only, randomize, to_numpy

BATCH, DIM, HEADS = 2, 12, 3
ALPHAS = [1.25, 1.5, 2.0]


def oracle(alpha):
    theirs = pytest.importorskip("entmax", reason="the oracle")
    if alpha == 1.5:
        return theirs.entmax15
    if alpha == 2.0:
        return theirs.sparsemax
    return lambda x, dim: theirs.entmax_bisect(x, alpha, dim)


def tensor(x):
    import torch

    return torch.tensor(to_numpy(x))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(
    ("length", "deviation"),
    only(
        {(1, 1.0), (7, 0.1), (7, 10.0), (101, 1.0)},
        itertools.product((1, 7, 101), (0.1, 1.0, 10.0)),
    ),
)
def test_numbers_and_gradients(rng, alpha, length, deviation):
    theirs = oracle(alpha)
    scores = deviation * rng.normal(size=(3, 5, length))
    scores = scores.astype("float32")
    upstream = rng.normal(size=scores.shape).astype("float32")
    x = tensor(scores).requires_grad_()
    expected = theirs(x, dim=-1)
    expected.backward(tensor(upstream))
    near(entmax(ops.convert_to_tensor(scores), alpha), expected.detach())
    weights = ops.convert_to_tensor(upstream)
    _, (found,) = gradients(
        lambda x: ops.sum(entmax(x, alpha) * weights), scores
    )
    near(found, x.grad, 1e-4 if alpha < 1.5 else 1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_scores_that_make_many_steps(alpha):
    """Those whose support shrinks slowly, ties, and far ones."""
    theirs, length = oracle(alpha), 500
    places = np.arange(1, length + 1)
    scores = np.stack(
        [
            -1 / places,
            -np.log(places),
            -places / length,
            np.zeros(length),
            np.append(0, -1 + 1e-3 * places[1:] / length),
            np.where(places > 400, -1e30, np.sin(places)),
        ]
    ).astype("float32")
    near(
        entmax(ops.convert_to_tensor(scores), alpha), theirs(tensor(scores), -1)
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_attention(rng, alpha):
    theirs = oracle(alpha)
    for length in (7, 13):
        layer = EntmaxAttention(HEADS, alpha=alpha, query_block_size=4)
        x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
        layer.build(x.shape)
        randomize(layer, rng, 0.5)
        padding = rng.random((BATCH, length)) < 0.7
        padding[:, 0] = True
        mask = np.tril(np.ones((length, length), bool)) & padding[:, None]
        key, value = map(to_numpy, layer.project_source(x, x))
        query = to_numpy(layer.project_query(x)) / np.sqrt(DIM // HEADS)
        scores = np.einsum("bthd,bshd->bhts", query, key)
        scores = np.where(mask[:, None], scores, -1e30)
        weights = theirs(tensor(scores), dim=-1).numpy()
        arguments = {"padding_mask": padding, "use_causal_mask": True}
        near(layer.attention_weights(x, **arguments), weights)
        mixed = np.einsum("bhts,bshd->bthd", weights, value)
        expected = layer.project_output(mixed.astype("float32"), x)
        near(layer(x, **arguments), expected)


def test_some_weights_are_zero(rng):
    x = 3 * rng.normal(size=(BATCH, 13, DIM)).astype("float32")
    shares, kernels = [], None
    for alpha in ALPHAS:
        layer = EntmaxAttention(HEADS, alpha=alpha)
        layer.build(x.shape)
        kernels = kernels or layer.get_weights()
        layer.set_weights(kernels)
        weights = to_numpy(layer.attention_weights(x))
        near(weights.sum(axis=-1), np.ones(weights.shape[:-1]))
        shares.append((weights == 0).mean())
    assert 0 < shares[0] < shares[1] < shares[2] < 1


def test_half_is_used_where_no_alpha_is_given():
    assert EntmaxAttention(HEADS).alpha == 1.5


def test_a_row_does_not_depend_on_how_far_others_have_to_go(rng):
    easy = rng.normal(size=(1, 101)).astype("float32")
    hard = -np.log(np.arange(1, 102, dtype="float32"))[None]
    alone = to_numpy(entmax(ops.convert_to_tensor(easy), 2.0))
    both = np.concatenate([easy, hard])
    together = to_numpy(entmax(ops.convert_to_tensor(both), 2.0))
    np.testing.assert_array_equal(together[:1], alone)


def test_compiled(rng):
    scores = ops.convert_to_tensor(rng.normal(size=(3, 11)), "float32")
    for alpha in ALPHAS:
        call = compiled(lambda x, alpha=alpha: entmax(x, alpha))
        near(call(scores), entmax(scores, alpha))


@pytest.mark.parametrize("alpha", [1.0, 0.5, 2.5])
def test_an_alpha_outside_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"alpha must.*MultiHead.*{alpha}"):
        EntmaxAttention(HEADS, alpha=alpha)
