"""Attention layers: one contract, one file a flavour."""

import inspect

from keras_attention import positions, registry
from keras_attention.attention.base import Attention
from keras_attention.attention.choice import choose_attention
from keras_attention.attention.exact.additive import AdditiveAttention
from keras_attention.attention.exact.content import ContentAttention
from keras_attention.attention.exact.cosine import CosineAttention
from keras_attention.attention.exact.differential import DifferentialAttention
from keras_attention.attention.exact.entmax import EntmaxAttention
from keras_attention.attention.exact.latent import LatentAttention
from keras_attention.attention.exact.luong import LuongAttention
from keras_attention.attention.exact.multi_head import MultiHeadAttention
from keras_attention.attention.exact.pointer import PointerAttention
from keras_attention.attention.exact.sigmoid import SigmoidAttention
from keras_attention.attention.exact.talking_heads import TalkingHeadsAttention
from keras_attention.attention.linear.cosformer import CosformerAttention
from keras_attention.attention.linear.efficient import EfficientAttention
from keras_attention.attention.linear.linear import LinearAttention
from keras_attention.attention.linear.performer import PerformerAttention
from keras_attention.attention.recurrent.gated_delta import GatedDeltaAttention
from keras_attention.attention.recurrent.gated_linear import (
    GatedLinearAttention,
)
from keras_attention.attention.recurrent.retention import RetentionAttention
from keras_attention.attention.reduced.fourier import FourierMixing
from keras_attention.attention.reduced.induced_set import InducedSetAttention
from keras_attention.attention.reduced.linformer import LinformerAttention
from keras_attention.attention.reduced.nystrom import NystromAttention
from keras_attention.attention.reduced.perceiver import PerceiverAttention
from keras_attention.attention.reduced.pooling import AttentionPooling
from keras_attention.attention.sparse.bigbird import BigBirdAttention
from keras_attention.attention.sparse.block_sparse import BlockSparseAttention
from keras_attention.attention.sparse.lsh import LSHAttention
from keras_attention.attention.sparse.prob_sparse import ProbSparseAttention
from keras_attention.attention.sparse.sparse_transformer import (
    SparseTransformerAttention,
)
from keras_attention.attention.windows.axial import AxialAttention
from keras_attention.attention.windows.longformer import LongformerAttention
from keras_attention.attention.windows.shifted_window import (
    ShiftedWindowAttention,
)
from keras_attention.attention.windows.sliding_window import (
    SlidingWindowAttention,
)

_CLASSES = {
    "additive": AdditiveAttention,
    "axial": AxialAttention,
    "bigbird": BigBirdAttention,
    "block_sparse": BlockSparseAttention,
    "content": ContentAttention,
    "cosformer": CosformerAttention,
    "cosine": CosineAttention,
    "differential": DifferentialAttention,
    "efficient": EfficientAttention,
    "entmax": EntmaxAttention,
    "fourier": FourierMixing,
    "gated_delta": GatedDeltaAttention,
    "gated_linear": GatedLinearAttention,
    "induced_set": InducedSetAttention,
    "latent": LatentAttention,
    "linear": LinearAttention,
    "linformer": LinformerAttention,
    "longformer": LongformerAttention,
    "lsh": LSHAttention,
    "luong": LuongAttention,
    "multi_head": MultiHeadAttention,
    "nystrom": NystromAttention,
    "perceiver": PerceiverAttention,
    "performer": PerformerAttention,
    "pointer": PointerAttention,
    "pooling": AttentionPooling,
    "prob_sparse": ProbSparseAttention,
    "retention": RetentionAttention,
    "shifted_window": ShiftedWindowAttention,
    "sigmoid": SigmoidAttention,
    "sliding_window": SlidingWindowAttention,
    "sparse_transformer": SparseTransformerAttention,
    "talking_heads": TalkingHeadsAttention,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt attention layer.

    Args:
        name_config_or_layer: a name from `names()`, a configuration, or an
            `Attention` layer that serves as the template.
        **defaults: constructor arguments (`num_heads`, `head_dim`,
            `dropout`, `position`, ...) for what is left open. Those that the
            flavour does not take are passed over.

    Returns:
        An `Attention` layer.

    Raises:
        ValueError: for an unknown name, a layer of another kind, or a
            template whose `num_heads` disagrees with the default.
    """
    layer = registry.resolve(
        name_config_or_layer, _CLASSES, "attention", defaults
    )
    if not isinstance(layer, Attention):
        raise ValueError(
            "Expected an Attention layer as attention. "
            f"Received: {type(layer).__name__}"
        )
    wanted = defaults.get("num_heads")
    if layer.has_heads and wanted not in (None, layer.num_heads):
        raise ValueError(
            f"The {type(layer).__name__} given as attention has num_heads="
            f"{layer.num_heads}, the model num_heads={wanted}."
        )
    return layer


def names():
    """Lists the registered names of attention layers."""
    return sorted(_CLASSES)


def describe():
    """Describes the registered attention layers.

    Returns:
        A dictionary from name to a dictionary of `class_name`, `summary` (the
        first line of its documentation), `kind`, `paper`, `cost` (time /
        memory), `cache_size`, and what it honours: `cross_attention`,
        `causal_mask`, `attention_mask`, `rotation`, `bias`, `cache`,
        `exact_causal` and `weights` (whether `attention_weights` has any).
    """
    return {
        name: {
            "class_name": cls.__name__,
            "summary": inspect.getdoc(cls).splitlines()[0],
            "kind": cls.kind,
            "paper": cls.paper,
            "cost": cls.cost,
            "cache_size": cls.cache_size,
            "cross_attention": cls.supports_cross_attention,
            "causal_mask": cls.supports_causal_mask,
            "attention_mask": cls.supports_attention_mask,
            "rotation": cls.supports_rotation,
            "bias": cls.supports_bias,
            "cache": cls.supports_cache,
            "exact_causal": cls.exact_causal,
            "weights": cls.compute_weights is not Attention.compute_weights,
        }
        for name, cls in sorted(_CLASSES.items())
    }


def compatibility():
    """Tells which mixers take which positional encodings of attention.

    Encodings that are added to embeddings never meet a mixer, so that they go
    with all of them, and are left out.

    Returns:
        A dictionary from the name of a mixer to a dictionary from the name of
        an encoding to None where they go together, or else to the message
        with which the mixer refuses it.
    """
    encodings = [
        name
        for name in positions.names()
        if positions.get(name).acts_in_attention
    ]
    return {
        name: {encoding: _refusal(name, encoding) for encoding in encodings}
        for name, cls in sorted(_CLASSES.items())
        if cls.kind == "mixer"
    }


def _refusal(name, encoding):
    try:
        get(name, num_heads=1, position=positions.get(encoding))
    except ValueError as error:
        return str(error)
    return None
