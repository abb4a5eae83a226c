"""Attention layers, positional encodings and the models they make."""

from keras_attention import attention, masks, positions
from keras_attention.attention import (
    AdditiveAttention,
    Attention,
    ContentAttention,
    LuongAttention,
    MultiHeadAttention,
    PointerAttention,
)
from keras_attention.layers.block import TransformerBlock
from keras_attention.layers.copy_generator import CopyGenerator
from keras_attention.layers.embeddings import TokenEmbedding, VectorEmbedding
from keras_attention.layers.feed_forward import FeedForward
from keras_attention.models.decoder import TransformerDecoder
from keras_attention.models.encoder import TransformerEncoder
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.positions import (
    LearnedEncoding,
    PositionalEncoding,
    RotaryEmbedding,
    SinusoidalEncoding,
)
