"""Grouped queries with rotary positions agree with Hugging Face's Llama."""

import numpy as np
import pytest

from keras_attention import MultiHeadAttention, RotaryEmbedding
from tests.tools import near, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")
pytest.importorskip("transformers", reason="the oracle")

BATCH, LENGTH, DIM, HEADS, KV_HEADS, THETA = 2, 11, 24, 6, 2, 77.0


@pytest.fixture
def pair(rng):
    from transformers.models.llama import modeling_llama

    config = modeling_llama.LlamaConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        head_dim=DIM // HEADS,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
    )
    config._attn_implementation = "eager"
    theirs = modeling_llama.LlamaAttention(config, layer_idx=0).eval()
    turn = modeling_llama.LlamaRotaryEmbedding(config)
    ours = MultiHeadAttention(
        HEADS,
        num_kv_heads=KV_HEADS,
        use_bias=False,
        position=RotaryEmbedding(base=THETA),
    )
    ours.build((None, None, DIM))
    for one, other in (
        (ours.query_dense, theirs.q_proj),
        (ours.key_dense, theirs.k_proj),
        (ours.value_dense, theirs.v_proj),
        (ours.output_dense, theirs.o_proj),
    ):
        weight = torch.tensor(rng.normal(size=other.weight.shape) * 0.3)
        other.weight.data = weight.to(torch.float32)
        kernel = other.weight.detach().numpy().T
        one.kernel.assign(kernel.reshape(one.kernel.shape))

    def call(x, mask):
        """Adds the mask `(batch, 1, length, length)` as Llama does."""
        positions = torch.arange(x.shape[1])[None]
        x = torch.tensor(x)
        added = torch.tensor(np.where(mask, 0.0, -1e30).astype("float32"))
        with torch.no_grad():
            return theirs(x, turn(x, positions), added)[0].numpy()

    return ours, call


def test_causal_attention(rng, pair):
    ours, theirs = pair
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    mask = np.tril(np.ones((LENGTH, LENGTH), bool))[None, None]
    near(ours(x, use_causal_mask=True), theirs(x, mask))


def test_causal_attention_with_padding_at_the_left(rng, pair):
    ours, theirs = pair
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    padding = np.arange(LENGTH)[None] >= np.array([[0], [4]])
    mask = np.tril(np.ones((LENGTH, LENGTH), bool)) & padding[:, None, None]
    output = ours(x, padding_mask=padding, use_causal_mask=True)
    near(to_numpy(output)[padding], theirs(x, mask)[padding])


def test_decoding_one_token_at_a_time(rng, pair):
    ours, theirs = pair
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    mask = np.tril(np.ones((LENGTH, LENGTH), bool))[None, None]
    cache, outputs = ours.init_cache(BATCH, LENGTH), []
    for start in range(LENGTH):
        output, cache = ours(x[:, start : start + 1], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), theirs(x, mask))
