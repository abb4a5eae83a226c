"""Attention layers, positional encodings and the models they make."""

from keras_attention import attention, masks, positions
from keras_attention.attention import (
    Attention,
    AttentionPooling,
    AxialAttention,
    InducedSetAttention,
    MultiHeadAttention,
    PerceiverAttention,
    ShiftedWindowAttention,
    choose_attention,
    GatedDeltaAttention,
    GatedLinearAttention,
    MultiHeadAttention,
    RetentionAttention,
    BigBirdAttention,
    BlockSparseAttention,
    MultiHeadAttention,
    SparseTransformerAttention,
    LongformerAttention,
    MultiHeadAttention,
    SlidingWindowAttention,
    CosformerAttention,
    EfficientAttention,
    LinearAttention,
    MultiHeadAttention,
    PerformerAttention,
    FourierMixing,
    LinformerAttention,
    LSHAttention,
    MultiHeadAttention,
    NystromAttention,
    ProbSparseAttention,
    DifferentialAttention,
    EntmaxAttention,
    LatentAttention,
    MultiHeadAttention,
    SigmoidAttention,
    TalkingHeadsAttention,
)
from keras_attention.layers.block import TransformerBlock
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
