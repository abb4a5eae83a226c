"""ProbSparse attention against Informer's and exact attention."""

import math

import numpy as np
import pytest

from keras_attention import (
    MultiHeadAttention,
    ProbSparseAttention,
    RotaryEmbedding,
)
from tests.tools import near, randomize, to_numpy

BATCH, HEADS, HEAD_DIM = 2, 3, 5
DIM = HEADS * HEAD_DIM


def make(rng, **options):
    layer = ProbSparseAttention(HEADS, **options)
    layer.build((BATCH, None, DIM))
    # The sample stays: it is drawn and not learned.
    sample = to_numpy(layer.sample)
    randomize(layer, rng, 0.5).sample.assign(sample)
    return layer


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def most(layer, length):
    return min(layer.factor * math.ceil(math.log1p(length)), length)


def transformers(monkeypatch, layer, x, causal):
    """Informer's output for one row without padding."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.informer import modeling_informer

    oracle = modeling_informer.InformerProbSparseAttention(
        DIM, HEADS, is_decoder=causal, sampling_factor=layer.factor
    ).eval()
    tensor = lambda x: torch.tensor(np.array(x))
    weights = {}
    for theirs, dense in (
        ("q_proj", layer.query_dense),
        ("k_proj", layer.key_dense),
        ("v_proj", layer.value_dense),
    ):
        kernel = to_numpy(dense.kernel).reshape(DIM, -1)
        weights[f"{theirs}.weight"] = tensor(kernel.T)
        weights[f"{theirs}.bias"] = tensor(to_numpy(dense.bias).reshape(-1))
    kernel = to_numpy(layer.output_dense.kernel).reshape(-1, DIM)
    weights["out_proj.weight"] = tensor(kernel.T)
    weights["out_proj.bias"] = tensor(to_numpy(layer.output_dense.bias))
    oracle.load_state_dict(weights)
    length = len(x)
    sample = to_numpy(layer.sample)[: most(layer, length)]
    sample = tensor(np.floor(sample * length).astype("int64"))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: sample)
    mask = None
    if causal:
        mask = torch.full((length, length), -1e30).triu(1)[None, None]
    return oracle(tensor(x)[None], attention_mask=mask)[0][0].detach().numpy()


@pytest.mark.parametrize("length", [7, 23])
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_it_agrees_with_transformers(rng, monkeypatch, length, factor, causal):
    layer = make(rng, factor=factor)
    x, mask = draw(rng, length), rng.random((BATCH, length)) < 0.7
    mask[:, -1] = False
    bare = to_numpy(layer(x, use_causal_mask=causal))
    padded = layer(x, padding_mask=mask, use_causal_mask=causal)
    padded = to_numpy(padded)
    for row in range(BATCH):
        expected = transformers(monkeypatch, layer, x[row], causal)
        near(bare[row], expected)
        # Theirs hides no padding from the mean: it gets none to hide.
        kept = mask[row]
        expected = transformers(monkeypatch, layer, x[row, kept], causal)
        near(padded[row, kept], expected)


@pytest.mark.parametrize("causal", [False, True])
def test_it_is_exact_where_all_queries_are_chosen(rng, causal):
    options = {"num_kv_heads": 1, "position": RotaryEmbedding(fraction=0.8)}
    layer = make(rng, factor=3, **options)
    exact = MultiHeadAttention(HEADS, **options)
    exact.build((BATCH, None, DIM))
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        for ours, theirs in zip(
            getattr(exact, name).weights,
            getattr(layer, name).weights,
            strict=True,
        ):
            ours.assign(to_numpy(theirs))
    x, mask = draw(rng, 7), rng.random((BATCH, 7)) < 0.7
    arguments = {"padding_mask": mask, "use_causal_mask": causal}
    output = to_numpy(layer(x, **arguments))
    # Queries of padding are not chosen; what they get is nobody's business.
    near(output[mask], to_numpy(exact(x, **arguments))[mask])
    weights = to_numpy(layer.attention_weights(x, **arguments))
    expected = to_numpy(exact.attention_weights(x, **arguments))
    near(weights.swapaxes(1, 2)[mask], expected.swapaxes(1, 2)[mask])


@pytest.mark.parametrize("length", [1, 2, 19, 20, 53])
def test_as_many_queries_attend_as_the_paper_says(rng, length):
    layer = make(rng, factor=1)
    weights = to_numpy(layer.attention_weights(draw(rng, length)))
    near(weights.sum(axis=-1), np.ones(weights.shape[:3]))
    lazy = (np.abs(weights - 1 / length) < 1e-7).all(axis=-1)
    if length > 1:
        active = (~lazy).sum(axis=-1)
        np.testing.assert_array_equal(active, most(layer, length))


def test_causal_weights_are_sums_for_lazy_queries(rng):
    layer = make(rng, factor=1)
    weights = layer.attention_weights(draw(rng, 23), use_causal_mask=True)
    weights = to_numpy(weights)
    past = np.tril(np.ones((23, 23)))
    assert np.all(weights * (1 - past) == 0)
    lazy = (weights == past).all(axis=-1)
    sums = weights.sum(axis=-1)
    near(sums[~lazy], np.ones_like(sums[~lazy]))
    # A first token that is chosen has the weights of one that is not.
    assert 0 <= (~lazy[..., 1:]).sum(axis=-1).min() <= most(layer, 23)
    assert lazy.sum(axis=-1).max() <= 23 - most(layer, 23) + 1


def test_the_sample_follows_the_seed():
    def sample(seed):
        layer = ProbSparseAttention(HEADS, seed=seed)
        layer.build((None, None, DIM))
        return to_numpy(layer.sample)

    np.testing.assert_array_equal(sample(7), sample(7))
    assert np.abs(sample(7) - sample(8)).max() > 0.1
    assert np.abs(sample(None) - sample(None)).max() > 0.1


@pytest.mark.parametrize("wrong", [0, 1.5, None])
def test_wrong_factors_are_refused(wrong):
    with pytest.raises(ValueError, match="factor must be a positive"):
        ProbSparseAttention(2, factor=wrong)
