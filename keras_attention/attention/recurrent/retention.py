"""Retention, the attention of RetNet."""

import math

import keras
import numpy as np
from keras import ops

from keras_attention.attention.recurrent.base import (
    RecurrentAttention,
    dense_weights,
    widened,
)
from keras_attention.checks import is_real
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class RetentionAttention(RecurrentAttention):
    """Linear attention whose weights decay with distance: γ^(i-j) q·k / √d.

    Each head follows a state `S_i = γ S_(i-1) + k_i v_i' / √d` and reads it
    with its query; each head's output is normalized, multiplied by
    `swish(x W)` and projected (multi-scale retention). The past costs a state
    of constant size, and time grows with the length, in chunks.

    With `use_causal_mask=True` or a cache the weights are γ^(i-j) for j <= i.
    Without, they are γ^|i-j| for all keys: a second pass runs from the end to
    the start and the two are added, the diagonal counted once. Distances are
    those between positions: padding is not written, but takes its place.

    RetNet rotates queries and keys: `position="rotary"` does. The norm is the
    paper's, mean and variance of a head, without a learned scale, which the
    output projection can hold; later code of the authors leaves out the mean.
    The paper divides by further sums before the norm, which the norm undoes.
    Its models have values twice as wide as keys: `value_head_dim=2 *
    head_dim`.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a query and key head; `dim // num_heads`
            by default.
        value_head_dim: integer, width of a value head; `head_dim` by default.
        decay: list of one γ in (0, 1] for each head; by default the paper's,
            `1 - 2 ** (-5 - head)`.
        chunk_size: integer, a power of two, positions in a chunk.
        norm: whether each head's output is normalized.
        gate: whether the output is multiplied by `swish(x W)`.
        epsilon: float, added to the variance in the norm.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of the mixed values dropped in training.
        position: a positional encoding that rotates queries and keys, or None.
        kernel_initializer: initializer of the projections.
        seed: integer for dropout; drawn by default.

    Call arguments:
        query: `(batch, length, dim)`; self-attention only.
        padding_mask: boolean `(batch, length)`.
        use_causal_mask, cache, start, training: see `Attention`. There is no
            `attention_mask`.

    Returns:
        `(batch, length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: for a `decay` of another length or outside (0, 1], a
            `chunk_size` that is no power of two, `num_kv_heads`, another
            source than the query, or a dense `attention_mask`.

    Example:

    ```python
    import keras
    from keras_attention import RetentionAttention

    layer = RetentionAttention(num_heads=4, position="xpos")
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 50, 32)
    ```

    Reference:
        Sun et al. 2023, Retentive Network: A Successor to Transformer for
        Large Language Models, https://arxiv.org/abs/2307.08621
    """

    paper = "Sun et al. 2023"
    cost = "nd² / d²"
    cache_size = "num_heads · d²"

    def __init__(self, num_heads, head_dim=None, *, decay=None, **kwargs):
        super().__init__(num_heads, head_dim, **kwargs)
        if decay is not None:
            decay = np.atleast_1d(decay).tolist()
            valid = all(is_real(x) and 0.0 < x <= 1.0 for x in decay)
            if len(decay) != num_heads or not valid:
                raise ValueError(
                    f"decay must be num_heads={num_heads} numbers in (0, 1]. "
                    f"Received: {decay}"
                )
            decay = [float(number) for number in decay]
        self.decay = decay

    def prepare(self, query, key, value, visible, position):
        query, key, value = widened(query, key, value)
        key = key * ops.cast(position.scale(key.shape[-1]), key.dtype)
        decay = ops.convert_to_tensor(self._log_decay(), dtype=key.dtype)
        decay = ops.broadcast_to(
            decay[:, None], (1, ops.shape(key)[1], self.num_heads, 1)
        )
        return {"query": query, "key": key, "value": value, "decay": decay}

    def compute_weights(self, query, key, visible, position):
        parts = self.prepare(query, key, key, visible, position)
        parts.pop("value")
        return ops.cast(dense_weights(parts, visible.causal), query.dtype)

    def _log_decay(self):
        """The logarithm of each head's γ."""
        if self.decay is not None:
            return [math.log(number) for number in self.decay]
        # Of many heads the last have a γ that no float tells from 1.
        return [math.log1p(-(2.0 ** (-5 - h))) for h in range(self.num_heads)]

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}
