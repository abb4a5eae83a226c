"""A decoder with segment memory is a causal XLNet that keeps its memory."""

import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, TransformerDecoder
from keras_attention.layers.token_embedding import TokenEmbedding
from tests.tools import near, randomize, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")
pytest.importorskip("transformers", reason="the oracle")

VOCABULARY, LAYERS, DIM, HEADS, WIDE = 23, 3, 12, 3, 17
SEGMENT, MEMORY = 5, 7


def decoder(rng):
    model = TransformerDecoder(
        VOCABULARY,
        LAYERS,
        DIM,
        HEADS,
        intermediate_dim=WIDE,
        attention=MultiHeadAttention(HEADS, use_bias=False),
        position="transformer_xl",
        residual="post_norm",
        embedding=TokenEmbedding(VOCABULARY, DIM, scale=False, padding_id=None),
        segment_memory=MEMORY,
    )
    return randomize(model, rng)


def xlnet(model):
    """Hugging Face's model with our weights."""
    from transformers import XLNetConfig, XLNetModel

    config = XLNetConfig(
        vocab_size=VOCABULARY,
        d_model=DIM,
        n_layer=LAYERS,
        n_head=HEADS,
        d_inner=WIDE,
        attn_type="uni",
        dropout=0.0,
        mem_len=MEMORY,
        layer_norm_eps=model.blocks[0].norms[0].epsilon,
    )
    oracle = XLNetModel(config).eval()

    def put(parameter, variable):
        array = to_numpy(variable)
        assert tuple(parameter.shape) == array.shape
        parameter.data = torch.tensor(array)

    put(oracle.word_embedding.weight, model.embedding.weights[0])
    for block, layer in zip(model.blocks, oracle.layer, strict=True):
        own, theirs = block.attention, layer.rel_attn
        put(theirs.q, own.query_dense.kernel)
        put(theirs.k, own.key_dense.kernel)
        put(theirs.v, own.value_dense.kernel)
        put(theirs.o, ops.transpose(own.output_dense.kernel, (2, 0, 1)))
        put(theirs.r, own.position.kernel)
        put(theirs.r_w_bias, own.position.content_bias)
        put(theirs.r_r_bias, own.position.position_bias)
        for norm, other in zip(
            block.norms, (theirs.layer_norm, layer.ff.layer_norm), strict=True
        ):
            put(other.weight, norm.gamma)
            put(other.bias, norm.beta)
        forward = block.feed_forward
        for dense, other in (
            (forward.up_dense, layer.ff.layer_1),
            (forward.down_dense, layer.ff.layer_2),
        ):
            put(other.weight, ops.transpose(dense.kernel))
            put(other.bias, dense.bias)
    return oracle


def test_segments_are_those_of_xlnet(rng):
    model = decoder(rng)
    oracle = xlnet(model)
    tokens = rng.integers(VOCABULARY, size=(2, 3 * SEGMENT))
    state, memories = model.init_segments(2), None
    for start in range(0, tokens.shape[1], SEGMENT):
        piece = tokens[:, start : start + SEGMENT]
        hidden, state = model(ops.convert_to_tensor(piece), segments=state)
        with torch.no_grad():
            expected = oracle(torch.tensor(piece), mems=memories, use_mems=True)
        memories = expected.mems
        near(hidden, expected.last_hidden_state.numpy())
    kept = to_numpy(state[model.blocks[1].name])
    near(kept, np.swapaxes(memories[1].numpy(), 0, 1))
