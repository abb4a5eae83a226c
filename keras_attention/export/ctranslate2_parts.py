"""What the engine of CTranslate2 can do of the parts of a model."""

import keras
import numpy as np

from keras_attention.attention.core.normalization import (
    LayerNormalization,
    RMSNormalization,
)
from keras_attention.attention.exact.multi_head import MultiHeadAttention
from keras_attention.layers.block import TransformerBlock
from keras_attention.layers.feed_forward import FeedForward, find_activation
from keras_attention.layers.residual import PostNorm, PreNorm
from keras_attention.layers.residuals import ParallelResidual, SandwichNorm
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.models.decoder import TransformerDecoder
from keras_attention.models.encoder import TransformerEncoder
from keras_attention.positions.absolute.learned import LearnedEncoding
from keras_attention.positions.absolute.sinusoidal import SinusoidalEncoding
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.bias.alibi import ALiBi
from keras_attention.positions.bias.t5_relative import T5RelativeBias
from keras_attention.positions.rotary.rotary import RotaryEmbedding

# Our names of activations, and those of the engine.
ACTIVATIONS = {
    "relu": "RELU",
    "gelu": "GELU",
    "gelu_tanh": "GELUTanh",
    "quick_gelu": "GELUSigmoid",
    "silu": "SWISH",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}
_PLAIN_ATTENTION = {
    "logit_softcap": None,
    "gate": False,
    "sink_logits": False,
    "off_by_one": False,
    "qk_norm_over": "head",
}


class Refusal:
    """Refuses parts of one side of a model by the names of their arguments.

    Args:
        side: the encoder or the decoder.
    """

    def __init__(self, side):
        is_encoder = isinstance(side, TransformerEncoder)
        self.side = "encoder" if is_encoder else "decoder"

    def __call__(self, argument, received, *expected):
        """Raises the ValueError."""
        known = " or ".join(map(str, expected))
        raise ValueError(
            f"CTranslate2 has {argument} {known}. Received: {received!r} of "
            f"the {self.side}"
        )

    def unless_class(self, argument, part, *classes):
        """Refuses a part of another class, which may compute anything."""
        for cls in classes:
            # Normalizations here are those of Keras for more backends.
            of_keras = type(part).__module__.startswith("keras.")
            if type(part) is cls or (of_keras and issubclass(cls, type(part))):
                return
        self(argument, *map(_name, (type(part), *classes)))

    def unless_equal(self, part, argument, **expected):
        """Refuses options of a part that have another value."""
        for name, value in expected.items():
            received = getattr(part, name)
            if received != value:
                self(f"{argument} with {name}", received, value)


def _name(cls):
    return "None" if cls is PositionalEncoding else cls.__name__


def options_of(side, is_alone):
    """Reads the options of a specification off a side of a model.

    Args:
        side: a `TransformerEncoder` or `TransformerDecoder`.
        is_alone: whether it is a decoder without an encoder.

    Returns:
        Dictionary of keyword arguments of the encoder's and the decoder's
        specification in `ctranslate2.specs`, with the name of the activation.

    Raises:
        ValueError: for the first part that the engine cannot compute.
    """
    refuse = Refusal(side)
    refuse.unless_class("sides", side, TransformerEncoder, TransformerDecoder)
    refuse.unless_class("embedding", side.embedding, TokenEmbedding)
    refuse.unless_equal(side.embedding, "embedding", num_segments=None)
    is_decoder = isinstance(side, TransformerDecoder)
    if is_decoder:
        refuse.unless_equal(side, "model", segment_memory=0)
    else:
        refuse.unless_equal(side.embedding, "embedding", embedding_dim=None)
    found = [_block(block, refuse, is_alone) for block in side.blocks]
    for options in found[1:]:
        for option, value in options.items():
            if value != found[0][option]:
                refuse(f"{option} of a later block", value, found[0][option])
    options = {**found[0], **_positions(side, refuse, is_alone)}
    is_rms = _uses_rms(side, refuse)
    if options.get("parallel_residual") and is_rms:
        refuse("normalization", "RMSNormalization", "LayerNormalization")
    return {
        **options,
        "num_layers": len(side.blocks),
        "rms_norm": is_rms,
        "project_in_out": side.embedding.embedding_dim is not None,
        "no_final_norm": side.final_norm is None,
        "layernorm_embedding": side.embedding_norm is not None,
    }


def norms_of(side):
    """Lists the normalizations of a side, and those of queries and keys.

    Args:
        side: a `TransformerEncoder` or `TransformerDecoder`.

    Returns:
        Two lists of layers.
    """
    norms, inner = [side.embedding_norm, side.final_norm], []
    for block in side.blocks:
        norms += list(block.norms)
        for attention in (block.attention, block.cross_attention):
            if getattr(attention, "qk_norm", False):
                inner += [attention.query_norm, attention.key_norm]
    return [norm for norm in norms if norm is not None], inner


def _uses_rms(side, refuse):
    """Whether all normalizations are RMS; refuses others, and a mixture."""
    norms, inner = norms_of(side)
    first = RMSNormalization
    if isinstance(norms[0], keras.layers.LayerNormalization):
        first = LayerNormalization
    for expected, found in ((first, norms), (RMSNormalization, inner)):
        for norm in found:
            refuse.unless_class("normalization", norm, expected)
            if norm.axis not in (-1, [-1], (-1,), [2]):
                refuse("normalization with axis", norm.axis, -1)
    return first is RMSNormalization


def _block(block, refuse, is_alone):
    """Reads the options of a block, the same for all of a side."""
    refuse.unless_class("block", block, TransformerBlock)
    paths = (PreNorm, PostNorm)
    if is_alone:
        paths += (ParallelResidual, SandwichNorm)
    refuse.unless_class("residual", block.residual, *paths)
    refuse.unless_equal(
        block.residual, "residual", residual_scale=1.0, branch_scale=1.0
    )
    options = _attention(block.attention, "attention", refuse, is_alone)
    if block.cross_attention is not None:
        cross = _attention(
            block.cross_attention, "cross_attention", refuse, False
        )
        refuse.unless_class(
            "position of cross_attention",
            block.cross_attention.position,
            PositionalEncoding,
        )
        for option, value in cross.items():
            if value != options[option]:
                refuse(f"cross_attention with {option}", value, options[option])
    is_parallel = isinstance(block.residual, ParallelResidual)
    feed_forward = block.feed_forward
    refuse.unless_class("feed_forward", feed_forward, FeedForward)
    return {
        **options,
        "pre_norm": not isinstance(block.residual, PostNorm),
        "parallel_residual": is_parallel,
        "shared_layer_norm": is_parallel and block.residual.shared_norm,
        "pre_post_layer_norm": isinstance(block.residual, SandwichNorm),
        "activation": _activation(feed_forward, refuse),
        "ffn_glu": hasattr(feed_forward, "gate_dense"),
    }


def _activation(feed_forward, refuse):
    function, _ = find_activation(feed_forward.activation, feed_forward.gated)
    for name, theirs in ACTIVATIONS.items():
        if find_activation(name)[0] is function:
            return theirs
    refuse(
        "feed_forward with activation", feed_forward.activation, *ACTIVATIONS
    )


def _attention(attention, argument, refuse, is_alone):
    refuse.unless_class(argument, attention, MultiHeadAttention)
    refuse.unless_equal(attention, argument, **_PLAIN_ATTENTION)
    if attention.qk_norm and not is_alone:
        refuse(f"{argument} beside another side with qk_norm", True, False)
    is_grouped = attention.num_kv_heads != attention.num_heads
    return {
        "num_heads": attention.num_heads,
        "num_heads_kv": attention.num_kv_heads if is_grouped else None,
        "head_dim": attention.head_dim,
        "qk_norm": bool(attention.qk_norm),
    }


def _positions(side, refuse, is_alone):
    """Reads the options of positions, which act in one place of a side."""
    position = side.position
    known = [LearnedEncoding, SinusoidalEncoding, RotaryEmbedding]
    # Its prompt is read at once there, with other buckets than one by one.
    known.append(ALiBi if is_alone else T5RelativeBias)
    is_decoder = isinstance(side, TransformerDecoder)
    known.append(PositionalEncoding)
    refuse.unless_class("position", position, *known)
    inside = position.acts_in_attention
    for block in side.blocks:
        own = block.attention.position
        cls = type(position) if inside else PositionalEncoding
        refuse.unless_class("position of attention", own, cls)
    if isinstance(position, T5RelativeBias):
        if position.bidirectional not in (not is_decoder, None):
            refuse(
                "position with bidirectional",
                position.bidirectional,
                not is_decoder,
            )
        return {"relative_attention_bias": True}
    if isinstance(position, RotaryEmbedding):
        return _rotary(position, side, refuse)
    return {"alibi": True} if isinstance(position, ALiBi) else {}


def _rotary(position, side, refuse):
    refuse.unless_equal(position, "position", axes=1)
    scaling = position.scaling or {}
    kind = scaling.get("type")
    if kind not in (None, "linear"):
        refuse("position with scaling of type", kind, None, "linear")
    head_dim = side.blocks[0].attention.head_dim
    rotated = 2 * position.num_pairs if position.built else head_dim
    return {
        "rotary_dim": 0 if rotated == head_dim else rotated,
        "rotary_interleave": position.interleaved,
        "rotary_base": position.base,
        "linear_factor": scaling.get("factor"),
    }


def position_table(side, max_length):
    """The vectors that a side adds to its embeddings.

    Args:
        side: a `TransformerEncoder` or `TransformerDecoder`.
        max_length: integer, positions of encodings that have no end.

    Returns:
        float32 `(positions, hidden_dim)`, zeros where there are none.
    """
    position = side.position
    length = position.max_length or max_length
    zeros = np.zeros((1, length, side.hidden_dim), "float32")
    if not position.acts_on_embeddings:
        return zeros[0]
    return keras.ops.convert_to_numpy(
        position.embed(keras.ops.convert_to_tensor(zeros))
    )[0]
