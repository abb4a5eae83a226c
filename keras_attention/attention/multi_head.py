"""Multi-head, grouped-query and multi-query attention."""

import keras

from keras_attention.attention import blocks, softmax
from keras_attention.attention.base import Attention
from keras_attention.positions.base import known_integer
from keras_attention.registry import PACKAGE

# Scores, of four bytes each: what is worked off in blocks, a block, and what
# is kept for the backward pass rather than computed again.
_LARGE, _BLOCK, _KEPT = 2**26, 2**24, 2**27
_BLOCK_SIZES = (64, 1024)


@keras.saving.register_keras_serializable(package=PACKAGE)
class MultiHeadAttention(Attention):
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

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        query_block_size="auto",
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if query_block_size not in ("auto", None) and (
            not isinstance(query_block_size, int) or query_block_size < 1
        ):
            raise ValueError(
                'query_block_size must be "auto", None or a positive integer.'
                f" Received: {query_block_size!r}"
            )
        self.query_block_size = query_block_size

    def attend(self, query, key, value, visible, position, training=None):
        dropout = self.dropout if training else 0.0
        seed = self.seed_generator.next() if dropout else None
        arguments = (query, key, value, visible, position, dropout, seed)
        block_size, keep = self.query_block_size, 0
        if block_size == "auto":
            block_size, keep = _choose_block_size(query, key), _KEPT
        if block_size is None:
            return softmax.attend(*arguments)
        return blocks.attend_in_blocks(
            *arguments, block_size=block_size, keep=keep
        )

    def compute_weights(self, query, key, visible, position):
        return softmax.attention_weights(query, key, visible, position)

    def get_config(self):
        return {
            **super().get_config(),
            "query_block_size": self.query_block_size,
        }


def _choose_block_size(query, key):
    """Gives the number of queries in a block, or None for all at once."""
    batch, length, num_heads, _ = query.shape
    length, key_length = known_integer(length), known_integer(key.shape[1])
    if length in (None, 1) or key_length is None:
        return None
    # A row of the batch stands for all where their number is unknown.
    scores_of_query = (known_integer(batch) or 1) * num_heads * key_length
    if length * scores_of_query <= _LARGE:
        return None
    smallest, largest = _BLOCK_SIZES
    return min(max(_BLOCK // scores_of_query, smallest), largest)
