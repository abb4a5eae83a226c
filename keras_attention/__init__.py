"""Attention layers, positional encodings and the models they make."""

# ruff: noqa: E402
from keras_attention import installation

installation.check()  # before anything can go wrong

from keras_attention import attention, masks, positions
from keras_attention.attention import (
    AdditiveAttention,
    Attention,
    AttentionPooling,
    AxialAttention,
    BigBirdAttention,
    BlockSparseAttention,
    ContentAttention,
    CosformerAttention,
    CosineAttention,
    DifferentialAttention,
    EfficientAttention,
    EntmaxAttention,
    FourierMixing,
    GatedDeltaAttention,
    GatedLinearAttention,
    InducedSetAttention,
    LatentAttention,
    LinearAttention,
    LinformerAttention,
    LongformerAttention,
    LSHAttention,
    LuongAttention,
    MultiHeadAttention,
    NystromAttention,
    PerceiverAttention,
    PerformerAttention,
    PointerAttention,
    ProbSparseAttention,
    RetentionAttention,
    ShiftedWindowAttention,
    SigmoidAttention,
    SlidingWindowAttention,
    SparseTransformerAttention,
    TalkingHeadsAttention,
    choose_attention,
)
from keras_attention.layers.audio import AudioEmbedding
from keras_attention.layers.block import TransformerBlock
from keras_attention.layers.copy_generator import CopyGenerator
from keras_attention.layers.embeddings import VectorEmbedding
from keras_attention.layers.factorized_embedding import FactorizedEmbedding
from keras_attention.layers.feed_forward import FeedForward
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.layers.pooling import QueryPooling, SequencePooling
from keras_attention.layers.residual import PostNorm, PreNorm, Residual
from keras_attention.layers.residuals import (
    OutputNorm,
    ParallelResidual,
    SandwichNorm,
)
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.models.adapting.conversion import convert_attention
from keras_attention.models.adapting.freezing import freeze
from keras_attention.models.adapting.lora import enable_lora, merge_lora
from keras_attention.models.adapting.lora_files import load_lora, save_lora
from keras_attention.models.baselines.convolutional import ConvolutionalEncoder
from keras_attention.models.baselines.image_convolution import (
    ImageConvolutionEncoder,
)
from keras_attention.models.baselines.recurrent import RecurrentEncoderDecoder
from keras_attention.models.baselines.recurrent_decoder import RecurrentDecoder
from keras_attention.models.baselines.recurrent_encoder import RecurrentEncoder
from keras_attention.models.causal_lm import CausalLM
from keras_attention.models.classifier import Classifier
from keras_attention.models.decoder import TransformerDecoder
from keras_attention.models.encoder import TransformerEncoder
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.models.masked_lm import MaskedLM
from keras_attention.models.sequence_tagger import SequenceTagger
from keras_attention.models.span_predictor import SpanPredictor
from keras_attention.positions import (
    FIRE,
    ALiBi,
    CoPE,
    DisentangledRelative,
    Kerple,
    LearnedEncoding,
    PositionalEncoding,
    RotaryEmbedding,
    ShawRelative,
    SinusoidalEncoding,
    T5RelativeBias,
    TransformerXLRelative,
    WindowRelativeBias,
    XPos,
)
from keras_attention.visualization import (
    attention_maps,
    attention_page,
    plot_attention,
)
