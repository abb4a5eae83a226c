"""Random decoders of Hugging Face, and ours with their weights.

Each has another residual path.
"""

import pytest

from keras_attention import (
    FeedForward,
    MultiHeadAttention,
    ParallelResidual,
    PreNorm,
    RotaryEmbedding,
    SlidingWindowAttention,
    TokenEmbedding,
    TransformerDecoder,
)
from keras_attention.attention.core.normalization import LayerNormalization
from tests.models.hugging_face import _array, _linear, _random

VOCABULARY, DIM, HEADS, MIDDLE, LAYERS = 13, 24, 6, 17, 2
HEAD = DIM // HEADS
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": DIM,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "attn_implementation": "eager",
}
LLAMA = {**SIZES, "intermediate_size": MIDDLE, "num_key_value_heads": 3}


def gemma2(seed):
    """Norms before and after each part, which scale by 1 + weight.

    Every other layer sees a window alone, and all bound their scores.
    """
    theirs = _theirs(
        "Gemma2",
        seed,
        **LLAMA,
        head_dim=HEAD,
        query_pre_attn_scalar=7,
        attn_logit_softcapping=2.0,
        sliding_window=4,
        rms_norm_eps=1e-6,
    )
    ours = _ours(
        residual="sandwich_norm",
        scale=True,
        feed_forward="geglu_tanh",
        num_kv_heads=3,
        window_size=3,
        attention_options={"scale": 7**-0.5, "logit_softcap": 2.0},
    )
    _copy_llama(
        theirs,
        ours,
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
        offset=1.0,
    )
    return theirs, ours


def olmo2(seed):
    """Norms of what each part returns, and of queries and keys."""
    theirs = _theirs("Olmo2", seed, **LLAMA, rms_norm_eps=1e-6)
    ours = _ours(
        residual="output_norm",
        num_kv_heads=3,
        attention_options={"qk_norm": True, "qk_norm_over": "all_heads"},
    )
    _copy_llama(
        theirs, ours, "post_attention_layernorm", "post_feedforward_layernorm"
    )
    for layer, block in zip(theirs.layers, ours.blocks, strict=True):
        norms = [layer.self_attn.q_norm, layer.self_attn.k_norm]
        own = block.attention
        _copy_norms(norms, [own.query_norm, own.key_norm])
    return theirs, ours


def granite(seed):
    """Norms before each part, and a factor of what each adds."""
    theirs = _theirs(
        "Granite",
        seed,
        **LLAMA,
        residual_multiplier=0.22,
        attention_multiplier=HEAD**-0.5,
        rms_norm_eps=1e-6,
    )
    ours = _ours(residual=PreNorm(branch_scale=0.22), num_kv_heads=3)
    _copy_llama(theirs, ours, "input_layernorm", "post_attention_layernorm")
    return theirs, ours


def cohere(seed):
    """Parallel, with one norm that adds nothing."""
    theirs = _theirs("Cohere", seed, **LLAMA)
    ours = _ours(
        residual="parallel",
        num_kv_heads=3,
        normalization=LayerNormalization(center=False, epsilon=1e-5),
        interleaved=True,
        base=500_000.0,
    )
    _copy_llama(theirs, ours, "input_layernorm")
    return theirs, ours


def gptj(seed):
    """Parallel, with one norm; biases in the feed-forward part alone."""
    sizes = {**SIZES, "n_inner": MIDDLE, "rotary_dim": HEAD // 2}
    theirs = _theirs("GPTJ", seed, **sizes)
    ours = _ours(
        residual="parallel",
        feed_forward="gelu_tanh",
        feed_forward_bias=True,
        normalization="layer_norm",
        fraction=0.5,
        interleaved=True,
    )
    for layer, block in zip(theirs.h, ours.blocks, strict=True):
        for name in ("query", "key", "value", "output"):
            linear = getattr(layer.attn, _GPTJ[name])
            _linear(linear, getattr(block.attention, f"{name}_dense"))
        _linear(layer.mlp.fc_in, block.feed_forward.up_dense)
        _linear(layer.mlp.fc_out, block.feed_forward.down_dense)
        _copy_norms([layer.ln_1], block.norms)
    _copy_ends(ours, theirs.wte, theirs.ln_f)
    return theirs, ours


_GPTJ = {
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "output": "out_proj",
}


def gpt_neox(seed):
    """Parallel, with a norm for each part."""
    sizes = {**SIZES, "intermediate_size": MIDDLE}
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    theirs = _theirs(
        "GPTNeoX",
        seed,
        **sizes,
        rope_parameters={**rope, "partial_rotary_factor": 0.5},
    )
    ours = _ours(
        residual=ParallelResidual(shared_norm=False),
        feed_forward="gelu",
        feed_forward_bias=True,
        attention_options={"use_bias": True},
        normalization="layer_norm",
        fraction=0.5,
    )
    for layer, block in zip(theirs.layers, ours.blocks, strict=True):
        fused = layer.attention.query_key_value
        weight = _array(fused.weight).reshape(HEADS, 3, HEAD, DIM)
        bias = _array(fused.bias).reshape(HEADS, 3, HEAD)
        for index, name in enumerate(("query", "key", "value")):
            dense = getattr(block.attention, f"{name}_dense")
            dense.kernel.assign(weight[:, index].transpose(2, 0, 1))
            dense.bias.assign(bias[:, index])
        _linear(layer.attention.dense, block.attention.output_dense)
        _linear(layer.mlp.dense_h_to_4h, block.feed_forward.up_dense)
        _linear(layer.mlp.dense_4h_to_h, block.feed_forward.down_dense)
        norms = [layer.input_layernorm, layer.post_attention_layernorm]
        _copy_norms(norms, block.norms)
    _copy_ends(ours, theirs.embed_in, theirs.final_layer_norm)
    return theirs, ours


def falcon_7b(seed):
    """Parallel, with one norm; one head of keys and values."""
    return _falcon(seed, False, 1, "parallel")


def falcon_40b(seed):
    """Parallel, with a norm for each part; heads of keys in groups."""
    return _falcon(seed, True, 3, ParallelResidual(shared_norm=False))


def _falcon(seed, new, kv_heads, residual):
    sizes = {**SIZES, "ffn_hidden_size": MIDDLE, "bias": False}
    theirs = _theirs(
        "Falcon",
        seed,
        **sizes,
        new_decoder_architecture=new,
        num_kv_heads=kv_heads,
        multi_query=True,
        parallel_attn=True,
        alibi=False,
    )
    ours = _ours(
        residual=residual,
        feed_forward="gelu",
        normalization="layer_norm",
        num_kv_heads=kv_heads,
    )
    for layer, block in zip(theirs.h, ours.blocks, strict=True):
        fused = _array(layer.self_attention.query_key_value.weight)
        fused = fused.reshape(kv_heads, HEADS // kv_heads + 2, HEAD, DIM)
        for name, rows in (
            ("query", fused[:, :-2].reshape(HEADS, HEAD, DIM)),
            ("key", fused[:, -2]),
            ("value", fused[:, -1]),
        ):
            dense = getattr(block.attention, f"{name}_dense")
            dense.kernel.assign(rows.transpose(2, 0, 1))
        _linear(layer.self_attention.dense, block.attention.output_dense)
        _linear(layer.mlp.dense_h_to_4h, block.feed_forward.up_dense)
        _linear(layer.mlp.dense_4h_to_h, block.feed_forward.down_dense)
        names = ("ln_attn", "ln_mlp") if new else ("input_layernorm",)
        _copy_norms([getattr(layer, name) for name in names], block.norms)
    _copy_ends(ours, theirs.word_embeddings, theirs.ln_f)
    return theirs, ours


def _theirs(family, seed, **options):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{family}Config")(**options)
    return _random(getattr(transformers, f"{family}Model"), config, seed, 0.3)


def _ours(
    residual,
    scale=False,
    feed_forward="swiglu",
    feed_forward_bias=False,
    normalization="rms_norm",
    num_kv_heads=HEADS,
    window_size=None,
    attention_options=None,
    **rotary,
):
    options = {"num_kv_heads": num_kv_heads, "use_bias": False}
    options.update(attention_options or {})
    attention = [MultiHeadAttention(HEADS, **options)]
    if window_size is not None:
        window = SlidingWindowAttention(
            HEADS, window_size=window_size, **options
        )
        attention.insert(0, window)
    return TransformerDecoder(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        hidden_dim=DIM,
        num_heads=HEADS,
        attention=attention,
        feed_forward=FeedForward(
            MIDDLE, feed_forward, use_bias=feed_forward_bias
        ),
        normalization=normalization,
        residual=residual,
        position=RotaryEmbedding(**rotary),
        embedding=TokenEmbedding(VOCABULARY, DIM, scale=scale, padding_id=None),
    )


def _copy_llama(theirs, ours, *norms, offset=0.0):
    """Copies a model whose layers are named as those of Llama."""
    for layer, block in zip(theirs.layers, ours.blocks, strict=True):
        for name in ("query", "key", "value", "output"):
            linear = getattr(layer.self_attn, f"{name[0]}_proj")
            _linear(linear, getattr(block.attention, f"{name}_dense"))
        for name in ("gate", "up", "down"):
            linear = getattr(layer.mlp, f"{name}_proj")
            _linear(linear, getattr(block.feed_forward, f"{name}_dense"))
        found = [getattr(layer, name) for name in norms]
        _copy_norms(found, block.norms, offset)
    _copy_ends(ours, theirs.embed_tokens, theirs.norm, offset)


def _copy_norms(theirs, ours, offset=0.0):
    for norm, own in zip(theirs, ours, strict=True):
        weights = [offset + _array(norm.weight)]
        if getattr(norm, "bias", None) is not None:
            weights.append(_array(norm.bias))
        own.set_weights(weights)


def _copy_ends(ours, embedding, norm, offset=0.0):
    table = ours.embedding.embedding.embeddings
    table.assign(_array(embedding.weight))
    _copy_norms([norm], [ours.final_norm], offset)
