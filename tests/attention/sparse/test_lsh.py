"""LSH attention against two packages and attention with shared queries."""

import numpy as np
import pytest
from keras import ops

from keras_attention import LSHAttention, PositionalEncoding, RotaryEmbedding
from keras_attention.attention.sparse import hashing
from tests.tools import near, randomize, to_numpy

BATCH, HEADS, HEAD_DIM = 2, 3, 5
DIM = HEADS * HEAD_DIM


class Unscaled(PositionalEncoding):
    def scale(self, head_dim):
        return 1.0


def make(rng, **options):
    layer = LSHAttention(HEADS, use_bias=False, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def tensor(x):
    torch = pytest.importorskip("torch")
    return torch.tensor(np.array(to_numpy(x)))


def kernel_of(dense):
    return tensor(to_numpy(dense.kernel).reshape(DIM, -1).T)


def compare(layer, x, expected, **arguments):
    """Compares the output for tokens that count with that of a package."""
    weights = to_numpy(layer.attention_weights(x, **arguments))
    mask = arguments.get("padding_mask", np.ones(x.shape[:2], bool))
    alone = np.einsum("bhtt->bht", weights).max(axis=1) > 0.5
    output, mixed = to_numpy(layer(x, **arguments)), mask & ~alone
    near(output[mixed], expected[mixed], 2e-5)
    # For a token that sees itself alone they add logarithms to -1e5, which
    # leaves them two digits.
    alone = mask & alone
    near(output[alone], expected[alone], 3e-2)


@pytest.mark.parametrize("length, chunk_size", [(12, 3), (20, 5)])
@pytest.mark.parametrize("num_hashes", [1, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_it_agrees_with_reformer_pytorch(
    rng, monkeypatch, length, chunk_size, num_hashes, causal
):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("reformer_pytorch.reformer_pytorch")
    layer = make(
        rng,
        num_hashes=num_hashes,
        num_buckets=length // chunk_size,
        chunk_size=chunk_size,
    )
    oracle = theirs.LSHSelfAttention(
        DIM, HEADS, chunk_size, num_hashes, causal
    ).eval()
    oracle.load_state_dict(
        {
            "toqk.weight": kernel_of(layer.query_dense),
            "tov.weight": kernel_of(layer.value_dense),
            "to_out.weight": tensor(
                to_numpy(layer.output_dense.kernel).reshape(-1, DIM).T
            ),
            "to_out.bias": torch.zeros(DIM),
        }
    )
    x, rotations = draw(rng, length), tensor(layer.rotations)[None]
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: rotations)
    expected = oracle(tensor(x)).detach().numpy()
    compare(layer, x, expected, use_causal_mask=causal)


def transformers_heads(monkeypatch, layer, x, mask, causal):
    """The heads of `transformers`, which wants whole chunks."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import ReformerConfig
    from transformers.models.reformer import modeling_reformer

    config = ReformerConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        attention_head_size=HEAD_DIM,
        lsh_attn_chunk_length=layer.chunk_size,
        lsh_num_chunks_before=layer.num_chunks_before,
        lsh_num_chunks_after=layer.num_chunks_after,
        num_buckets=layer.num_buckets,
        num_hashes=layer.num_hashes,
        is_decoder=causal,
    )
    oracle = modeling_reformer.LSHSelfAttention(config, layer_idx=0).eval()
    oracle.query_key.weight = torch.nn.Parameter(kernel_of(layer.query_dense))
    oracle.value.weight = torch.nn.Parameter(kernel_of(layer.value_dense))
    rotations = tensor(layer.rotations)[None].repeat(HEADS, 1, 1, 1)
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: rotations)
    length = x.shape[1]
    rows = -length % layer.chunk_size
    x = np.pad(x, [(0, 0), (0, rows), (0, 0)])
    mask = np.pad(mask, [(0, 0), (0, rows)])
    heads = oracle(tensor(x), attention_mask=tensor(mask)).hidden_states
    heads = heads.detach().numpy()[:, :length]
    return heads.reshape(BATCH, length, HEADS, HEAD_DIM)


@pytest.mark.parametrize(
    "options",
    [
        {"num_buckets": 4, "chunk_size": 5, "num_hashes": 2},
        {"num_buckets": [2, 4], "chunk_size": 4, "num_chunks_before": 0},
        {"num_buckets": 6, "chunk_size": 3, "num_chunks_after": 1},
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_it_agrees_with_transformers(rng, monkeypatch, options, causal):
    # Keys of length one there, and no division by the root of the width.
    layer = make(rng, position=Unscaled(), **options)
    x, mask = draw(rng, 14), np.ones((BATCH, 14), bool)
    if layer.num_chunks_before == 0:
        # With neighbours theirs counts chunks of nothing but padding.
        mask = rng.random((BATCH, 14)) < 0.7
    mask[1, 4] = False
    heads = transformers_heads(monkeypatch, layer, x, mask, causal)
    expected = to_numpy(layer.project_output(heads, x))
    compare(layer, x, expected, padding_mask=mask, use_causal_mask=causal)


def shared_attention(layer, x, mask, causal):
    """Attention with shared queries and keys in float64."""
    places = np.arange(x.shape[1])
    query = layer.position.rotate(layer.query_dense(x), places, "query")
    query = to_numpy(query).astype("float64")
    key = query / np.linalg.norm(query, axis=-1, keepdims=True)
    scores = np.einsum("bthd,bshd->bhts", query, key) / np.sqrt(HEAD_DIM)
    length = x.shape[1]
    allowed = mask[:, None, None] & mask[:, None, :, None]
    if causal:
        allowed = allowed & np.tril(np.ones((length, length), bool))
    scores = np.where(np.eye(length, dtype=bool), -1e5, scores)
    scores = np.where(allowed, scores, -1e30)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True)) * allowed
    total = raised.sum(axis=-1, keepdims=True)
    return raised / np.where(total > 0, total, 1.0)


@pytest.mark.few
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_size": 7, "num_hashes": 1},
        {"chunk_size": 5, "num_chunks_after": 1, "num_hashes": 1},
        {"position": RotaryEmbedding(fraction=0.8)},
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_chunks_that_see_all_are_attention_with_shared_queries(
    rng, options, causal
):
    layer = make(rng, **options)
    x, mask = draw(rng, 13), rng.random((BATCH, 13)) < 0.7
    expected = shared_attention(layer, x, mask, causal)
    arguments = {"padding_mask": mask, "use_causal_mask": causal}
    near(layer.attention_weights(x, **arguments), expected)
    # The first token sees itself alone, and then it counts.
    first = mask[:, 0]
    itself = to_numpy(layer.attention_weights(x, **arguments))[first, :, 0, 0]
    near(itself, np.full_like(itself, float(causal)))


def hashed(rng, vectors, factors, num_chunks=1, rounds=1):
    columns = hashing.num_columns(factors)
    rotations = rng.normal(size=(HEAD_DIM, rounds, columns))
    return hashing.hash_vectors(
        ops.convert_to_tensor(vectors, dtype="float32"),
        ops.convert_to_tensor(rotations, dtype="float32"),
        factors,
        ops.full((1, 1, 1, 1), num_chunks, dtype="int32"),
    )


@pytest.mark.parametrize("num_chunks", [1, 2, 3, 8, 9, 300, 5000])
def test_buckets_by_length_are_two_for_every_chunk(rng, num_chunks):
    vectors = rng.normal(size=(1, 1, 6000, HEAD_DIM))
    buckets, number = hashed(rng, vectors, None, num_chunks)
    half = next(h for h in range(1, 99) if (2 * h) ** 2 >= 2 * num_chunks)
    factor = 2 * min(half, 32)
    buckets = to_numpy(buckets)
    assert buckets.max() < factor**2 <= number
    used = np.unique(buckets % factor), np.unique(buckets // factor)
    assert all(len(numbers) > factor / 3 for numbers in used)


def test_near_vectors_share_buckets(rng):
    x = rng.normal(size=(1, 1, 200, HEAD_DIM))
    other = [x, x + 0.01 * rng.normal(size=x.shape), 3 * x, -x]
    # All in one call, so that the directions are the same.
    together = np.concatenate(other, axis=2)
    buckets = to_numpy(hashed(rng, together, [8], rounds=2)[0])
    first, near_by, longer, opposite = np.split(buckets, 4, axis=-1)
    assert (first == near_by).mean() > 0.95
    # The length of a vector does not matter, its direction does.
    np.testing.assert_array_equal(longer, first)
    np.testing.assert_array_equal(opposite, (first + 4) % 8)


def test_the_directions_follow_the_seed(rng):
    def rotations(seed):
        layer = LSHAttention(HEADS, seed=seed)
        layer.build((None, None, DIM))
        return to_numpy(layer.rotations)

    np.testing.assert_array_equal(rotations(7), rotations(7))
    assert np.abs(rotations(7) - rotations(8)).max() > 0.1
    assert np.abs(rotations(None) - rotations(None)).max() > 0.1


def test_more_places_than_integers_are_refused():
    buckets = ops.zeros((1, 1, 1, 8), dtype="int32")
    counts = ops.ones((1, 8), dtype="bool")
    with pytest.raises(ValueError, match="num_buckets times the length"):
        hashing.sort_by_bucket(buckets, 2**28, counts)


@pytest.mark.parametrize("wrong", [3, 0, [4, 3], [], "many", True])
def test_wrong_buckets_are_refused(wrong):
    with pytest.raises(ValueError, match="num_buckets must be an even"):
        LSHAttention(2, num_buckets=wrong)


def test_other_wrong_arguments_are_refused():
    for name in ("num_hashes", "chunk_size"):
        with pytest.raises(ValueError, match=f"{name} must be a positive"):
            LSHAttention(2, **{name: 0})
    for name in ("num_chunks_before", "num_chunks_after"):
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            LSHAttention(2, **{name: -1})
    with pytest.raises(ValueError, match="num_kv_heads must be num_heads"):
        LSHAttention(4, num_kv_heads=2)


def test_large_values_stay_finite_in_float16():
    layer = LSHAttention(2, chunk_size=8, dtype="float16")
    layer.build((1, 32, 6))
    layer.value_dense.bias.assign(np.full((2, 3), 3e4))
    layer.output_dense.kernel.assign(np.zeros((2, 3, 6)))
    layer.output_dense.kernel.assign(np.eye(6).reshape(2, 3, 6))
    output = to_numpy(layer(np.zeros((1, 32, 6), "float16")))
    near(output, np.full((1, 32, 6), 3e4), rtol=1e-2)
