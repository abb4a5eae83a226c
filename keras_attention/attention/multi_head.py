"""Multi-head, grouped-query and multi-query attention."""

import keras

from keras_attention.attention.scored import ScoredAttention
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class MultiHeadAttention(ScoredAttention):
    """Exact softmax attention of several heads: softmax(QK' / sqrt(d)) V.

    With fewer key and value heads than query heads it is grouped-query
    attention, with one of them multi-query attention. The heads are
    concatenated and projected once more.

    Where the scores would be large, queries are worked off in blocks that the
    backward pass computes again, with the same numbers: memory then grows
    with the length of the keys and no more with the square. (In a plain
    TensorFlow graph `"auto"` keeps 512 MiB of weights in each call, which is
    faster.)

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        use_bias: whether the projections have biases.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding that acts in attention, or None.
        query_block_size: `"auto"` (once the scores of a call exceed 256 MiB,
            blocks of as many queries as have 64 MiB of them, from 64 to
            1,024; where the lengths are known while the call is traced: a
            TensorFlow graph for any length stays dense), an integer (always
            blocks of that many queries), or None (never).
        kernel_initializer: initializer of the projections.
        seed: integer for dropout; drawn by default.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        attention_mask: boolean `(batch, query_length, key_length)`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, cache, memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: if the widths and head counts do not fit, or for call
            arguments that exclude each other.

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762;
        Shazeer 2019, Fast Transformer Decoding (one key head),
        https://arxiv.org/abs/1911.02150;
        Ainslie et al. 2023, GQA, https://arxiv.org/abs/2305.13245;
        Rabe, Staats 2021, Self-attention Does Not Need O(n^2) Memory
        (blocks), https://arxiv.org/abs/2112.05682
    """

    paper = "Vaswani et al. 2017"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"
