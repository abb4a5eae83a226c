"""FNet: a Fourier transform in place of attention."""

import keras
from keras import ops

from keras_attention import positions, registry
from keras_attention.attention.base import Attention
from keras_attention.attention.core.checks import refuse_unless
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class FourierMixing(Attention):
    """Mixes tokens by a Fourier transform: the real part of FFT₂(x).

    The transform goes along the features and along the sequence. It has no
    weights, no heads and no dropout; every output holds every token.

    Padding is set to zero before the transform, whose length stays that of
    the tensor. What stands at padding then matters not at all, but how much
    of it there is does: the same tokens with another number of padded ones
    behind them give other numbers, here as in the published code. Train and
    serve with the same lengths, or without padding.

    It is computed in at least float32. The sum of all features of all tokens
    is one of the outputs, which float16 may not hold for long sequences.

    Args:
        position: none but one that is added to embeddings elsewhere makes
            sense here; any that acts in attention is refused.
        name, dtype, trainable: see `keras.layers.Layer`.

    Call arguments:
        query: `(batch, length, dim)`; it mixes this alone.
        padding_mask: boolean `(batch, length)`.
        start, training: of no effect.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for cross-attention, a causal mask, a dense mask, a cache,
            or a position that acts in attention.

    Example:

    ```python
    import keras
    from keras_attention import FourierMixing

    layer = FourierMixing()
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Lee-Thorp et al. 2022, FNet: Mixing Tokens with Fourier Transforms,
        https://arxiv.org/abs/2105.03824
    """

    has_heads = False
    paper = "Lee-Thorp et al. 2022"
    cost = "nd log nd / nd"
    supports_cross_attention = False
    supports_causal_mask = False
    supports_attention_mask = False
    supports_rotation = False
    supports_bias = False
    supports_cache = False

    # Spelled out, since whatever stands here a model would hand over.
    def __init__(self, *, position=None, name=None, dtype=None, trainable=True):
        # Past `Attention`, whose heads and projections it has none of.
        super(Attention, self).__init__(
            name=name, dtype=dtype, trainable=trainable
        )
        self.supports_masking = True
        if not isinstance(position, positions.PositionalEncoding):
            position = positions.get(position)
        refuse_unless(
            self,
            not (position.acts_in_attention or position.acts_on_embeddings),
            f"{type(position).__name__} as its position",
            "the transform knows positions; if any, add SinusoidalEncoding "
            "to the embeddings",
        )
        self.position = position

    def build(self, query_shape, value_shape=None, key_shape=None):
        if not self.position.built:
            self.position.build((*query_shape[:-1], 1, query_shape[-1]))

    def project_query(self, query):
        return query[:, :, None]

    def project_source(self, key, value):
        return None, value[:, :, None]

    def project_output(self, output, query):
        return output[:, :, 0]

    def attend(self, query, key, value, visible, position, training=None):
        x = ops.cast(value[:, :, 0], at_least_float32(value.dtype))
        real, _ = ops.fft2((x, ops.zeros_like(x)))
        return ops.cast(real, value.dtype)[:, :, None]

    def get_config(self):
        return {
            **super(Attention, self).get_config(),
            "position": registry.describe(self.position),
        }
