"""The weights of a model in a specification of CTranslate2."""

import keras
import numpy as np
from keras import ops

from keras_attention.export.ctranslate2_parts import position_table
from keras_attention.layers.residuals import ParallelResidual, SandwichNorm
from keras_attention.positions.bias.t5_relative import T5RelativeBias

# Names of a block's normalizations, and where the engine has them.
_SANDWICH = {
    "attention_norm": "input_layer_norm",
    "attention_output_norm": "post_attention_layer_norm",
    "feed_forward_norm": "pre_feedforward_layer_norm",
    "feed_forward_output_norm": "post_feedforward_layer_norm",
}
_PARALLEL = {
    "attention_norm": "input_layer_norm",
    "feed_forward_norm": "post_attention_layer_norm",
}
_SHARED = {"input_norm": "shared_layer_norm"}
_USUAL = {
    "attention_norm": "self_attention.layer_norm",
    "cross_attention_norm": "attention.layer_norm",
    "feed_forward_norm": "ffn.layer_norm",
}


def fill_side(spec, side, max_length):
    """Gives the specification of an encoder or a decoder its weights.

    Args:
        spec: of `ctranslate2.specs`, made with `ctranslate2_parts.options_of`.
        side: a `TransformerEncoder` or `TransformerDecoder`.
        max_length: integer, positions of encodings that have no end.
    """
    embedding = side.embedding
    place = spec.embeddings
    place = place[0] if isinstance(place, list) else place
    place.weight = _numbers(embedding.embedding.embeddings)
    factor = embedding.factor
    spec.scale_embeddings = False if factor is None else float(factor)
    if hasattr(spec, "position_encodings"):
        spec.position_encodings.encodings = position_table(side, max_length)
    if embedding.embedding_dim is not None:
        _fill_linear(spec.project_in, embedding.input_projection)
        _fill_linear(spec.project_out, embedding.output_projection)
    if side.embedding_norm is not None:
        _fill_norm(
            spec.layernorm_embedding, side.embedding_norm, side.hidden_dim
        )
    if side.final_norm is not None:
        _fill_norm(spec.layer_norm, side.final_norm, side.hidden_dim)
    for layer, block in zip(spec.layer, side.blocks, strict=True):
        _fill_block(layer, block, side.hidden_dim)


def fill_logits(spec, embedding):
    """Gives the specification of a decoder the matrix of its logits.

    Args:
        spec: a `TransformerDecoderSpec`.
        embedding: a `TokenEmbedding`.
    """
    matrix = embedding.embedding
    spec.projection.weight = (
        _numbers(matrix.embeddings)
        if embedding.tie_weights
        else _numbers(matrix.reverse_embeddings).T
    )
    if embedding.logit_bias:
        spec.projection.bias = _numbers(embedding.bias)
    if embedding.logit_scale is not None:
        spec.scale_outputs = float(embedding.logit_scale)
    if embedding.logit_soft_cap is not None:
        spec.final_logit_softcapping = float(embedding.logit_soft_cap)


def _fill_block(layer, block, width):
    residual = block.residual
    places = _USUAL
    if isinstance(residual, SandwichNorm):
        places = _SANDWICH
    elif isinstance(residual, ParallelResidual):
        places = _SHARED if residual.shared_norm else _PARALLEL
    for norm in block.norms:
        spec = layer
        for name in places[norm.name].split("."):
            spec = getattr(spec, name)
        _fill_norm(spec, norm, width)
    _fill_attention(layer.self_attention, block.attention, is_self=True)
    if block.cross_attention is not None:
        _fill_attention(layer.attention, block.cross_attention, is_self=False)
    feed_forward, spec = block.feed_forward, layer.ffn
    gate = getattr(feed_forward, "gate_dense", None)
    if gate is None:
        _fill_linear(spec.linear_0, feed_forward.up_dense)
    else:
        _fill_linear(spec.linear_0, gate)
        _fill_linear(spec.linear_0_noact, feed_forward.up_dense)
    _fill_linear(spec.linear_1, feed_forward.down_dense)


def _fill_attention(spec, attention, is_self):
    query, key, value = (
        attention.query_dense,
        attention.key_dense,
        attention.value_dense,
    )
    if is_self:
        _fill_linear(spec.linear[0], query, key, value)
    else:
        _fill_linear(spec.linear[0], query)
        _fill_linear(spec.linear[1], key, value)
    output = attention.output_dense
    spec.linear[-1].weight = _matrix(output, output.kernel.shape[-1], True)
    if output.bias is not None:
        spec.linear[-1].bias = _numbers(output.bias)
    scale = attention.scale
    if scale is None:
        scale = attention.position.scale(attention.head_dim)
    spec.queries_scale = float(scale)
    if attention.qk_norm:
        _fill_norm(spec.q_norm, attention.query_norm)
        _fill_norm(spec.k_norm, attention.key_norm)
    position = attention.position
    if is_self and isinstance(position, T5RelativeBias):
        spec.relative_attention_bias = _numbers(position.table)
        spec.relative_attention_max_distance = np.int32(position.max_distance)


def _fill_linear(spec, *layers):
    """Puts dense layers of one input side by side."""
    spec.weight = np.concatenate(
        [_matrix(layer, layer.kernel.shape[0]) for layer in layers]
    )
    biases = [layer.bias for layer in layers]
    if any(bias is not None for bias in biases):
        spec.bias = np.concatenate(
            [
                np.zeros(_matrix(layer, layer.kernel.shape[0]).shape[0], "f")
                if layer.bias is None
                else _numbers(layer.bias).reshape(-1)
                for layer in layers
            ]
        )


def _matrix(layer, width, last=False):
    """The kernel `(out, in)` of a dense layer, of heads too.

    Args:
        layer: a `Dense` or `EinsumDense`.
        width: integer, of its input; of its output where `last`.
        last: whether the output is the last axis, behind heads.
    """
    kernel = _numbers(layer.kernel)
    kernel = kernel.reshape((-1, width) if last else (width, -1))
    return np.ascontiguousarray(kernel.T)


def _fill_norm(spec, norm, width=None):
    """Fills in a normalization; one without numbers needs its width."""
    if not isinstance(norm, keras.layers.LayerNormalization):
        spec.gamma = _numbers(norm.scale)
        return
    ones = np.ones(width, "float32")
    spec.gamma = ones if norm.gamma is None else _numbers(norm.gamma)
    spec.beta = 0 * ones if norm.beta is None else _numbers(norm.beta)


def _numbers(weight):
    return np.array(ops.convert_to_numpy(weight), "float32")
