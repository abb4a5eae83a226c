"""Multi-head, grouped-query and multi-query attention."""

import keras

from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class MultiHeadAttention(SoftmaxOptions, ScoredAttention):
    """Exact softmax attention of several heads: softmax(QK' / sqrt(d)) V.

    With fewer key and value heads than query heads it is grouped-query
    attention, with one of them multi-query attention. The heads are
    concatenated and projected once more.

    Where the scores would be large, queries are processed in blocks that the
    backward pass computes again, with the same numbers: memory then grows
    with the length of the keys and no more with the square. (In a plain
    TensorFlow graph `"auto"` keeps 512 MiB of weights in each call, which is
    faster.)

    Later models change small things, each an option and off by default; any
    of them go together, but for the two last, which exclude each other:
    normalized queries and keys, RMS(q)'RMS(k); bounded scores, c tanh(s / c);
    gated heads, each times sigmoid(Wx) of the query's input; a sink, which
    takes the weight that no key deserves, exp(s) / (exp(z) + sum of exp(s)),
    with a learned z a head or with z = 0.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        use_bias: whether the projections have biases: True, False, or a list
            of those that have one, `["query", "key", "value"]` for example;
            the others are `"output"` and, with `gate`, `"gate"`.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding that acts in attention, or None.
        query_block_size: `"auto"` (once the scores of a call exceed 256 MiB,
            blocks of as many queries as have 64 MiB of them, from 64 to
            1,024; a batch of unknown size is taken for one of 16; where the
            lengths are known while the call is traced: a TensorFlow graph for
            any length stays dense), an integer (always blocks of that
            many queries), or None (never).
        scale: positive number, factor of the products of queries and keys;
            by default that of the position, 1 / sqrt(head_dim) for most.
        qk_norm: how queries and keys are normalized before any rotation:
            `"rms_norm"`, which True means too, `"layer_norm"`, a
            configuration or a template of such a layer; False for not at
            all. (Henry et al. divide by the norm and learn one number; root
            mean squares and learned numbers for the features are the form
            that became common.)
        qk_norm_over: `"head"`, each head by itself, with `head_dim` learned
            numbers that all heads share; or `"all_heads"`, all heads of a
            token together, each with numbers of its own, as in OLMo 2.
        logit_softcap: positive float, bound of the scaled scores before the
            bias of a position and masks are added; None for no bound.
        gate: whether heads are gated before the output projection.
        sink_logits: whether every head learns a logit of its sink, 0 at
            first.
        off_by_one: whether every head has a sink of logit 0.
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
        ValueError: if the widths and head counts do not fit, or for arguments
            that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import MultiHeadAttention

    layer = MultiHeadAttention(
        num_heads=4, num_kv_heads=2, position="rotary"
    )
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 50, 32)

    # The same in two pieces, with a cache of keys and values.
    cache = layer.init_cache(batch_size=2, max_length=50)
    first, cache = layer(x[:, :30], cache=cache)
    rest, cache = layer(x[:, 30:], cache=cache, start=30)
    ```

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762;
        Shazeer 2019, Fast Transformer Decoding (one key head),
        https://arxiv.org/abs/1911.02150;
        Ainslie et al. 2023, GQA, https://arxiv.org/abs/2305.13245;
        Rabe, Staats 2021, Self-attention Does Not Need O(n^2) Memory
        (blocks), https://arxiv.org/abs/2112.05682;
        Henry et al. 2020, Query-Key Normalization (qk_norm),
        https://arxiv.org/abs/2010.04245;
        Gemma Team 2024, Gemma 2 (logit_softcap),
        https://arxiv.org/abs/2408.00118;
        Qiu et al. 2025, Gated Attention (gate),
        https://arxiv.org/abs/2505.06708;
        OpenAI 2025, gpt-oss (sink_logits), https://arxiv.org/abs/2508.10925;
        Miller 2023, Attention Is Off By One,
        https://www.evanmiller.org/attention-is-off-by-one.html
    """

    paper = "Vaswani et al. 2017"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"
