"""Gated linear attention."""

import keras
from keras import ops

from keras_attention.attention.recurrent.base import (
    RecurrentAttention,
    dense_weights,
    hidden,
    hidden_logits,
    widened,
)
from keras_attention.checks import check_integer, is_real
from keras_attention.registry import PACKAGE, copy_initializer


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedLinearAttention(RecurrentAttention):
    """Linear attention that forgets feature by feature: S = diag(α) S + k v'.

    At each position and for each feature of the key, a gate
    `α = sigmoid(x W₁ W₂ + b) ** (1 / gate_temperature)` says how much of the
    state stays. The output is `S' q / √d`, normalized head by head,
    multiplied by `swish(x W)` and projected. The past costs a state of
    constant size, and time grows with the length, in chunks.

    With `use_causal_mask=True` or a cache, that is one pass. Without, a
    second pass with the same weights runs from the end to the start and the
    two are added, the position's own key counted once: a key decays by the
    gates between it and the query, on whichever side. Padding is not written
    and its gates are 1: it decays nothing.

    The norm is the paper's, mean and variance of a head, without a learned
    scale, which the output projection can hold, and without a learned bias,
    which would stand where there is nothing to see. The paper's models have
    keys half as wide as values: give `head_dim` and `value_head_dim`.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a query and key head; `dim // num_heads`
            by default.
        value_head_dim: integer, width of a value head; `head_dim` by default.
        gate_rank: integer, width between the two projections of the gates.
        gate_temperature: float, the root taken of the gates: the larger, the
            slower the state forgets.
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
        ValueError: for a `gate_rank` or `gate_temperature` that is not
            positive, a `chunk_size` that is no power of two, `num_kv_heads`,
            another source than the query, or a dense `attention_mask`.

    Example:

    ```python
    import keras
    from keras_attention import GatedLinearAttention

    layer = GatedLinearAttention(num_heads=4, gate_rank=8)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 50, 32)
    ```

    Reference:
        Yang et al. 2024, Gated Linear Attention Transformers with
        Hardware-Efficient Training, https://arxiv.org/abs/2312.06635
    """

    paper = "Yang et al. 2024"
    cost = "nd² / d²"
    cache_size = "num_heads · d²"
    rotates_relatively = False
    projections = (*RecurrentAttention.projections, "decay")

    def __init__(
        self,
        num_heads,
        head_dim=None,
        *,
        gate_rank=16,
        gate_temperature=16.0,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, **kwargs)
        check_integer("gate_rank", gate_rank)
        if not is_real(gate_temperature) or not gate_temperature > 0:
            raise ValueError(
                "gate_temperature must be positive. Received: "
                f"{gate_temperature!r}"
            )
        self.gate_rank = gate_rank
        self.gate_temperature = gate_temperature

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.decay_reduction = keras.layers.Dense(
            self.gate_rank,
            use_bias=False,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name="decay_reduction",
            dtype=self.dtype_policy,
        )
        self.decay_dense = self._split_dense("decay", self.num_heads)
        self.decay_reduction.build(query_shape)
        self.decay_dense.build((*query_shape[:-1], self.gate_rank))

    def side_inputs(self, query, key, value):
        return {"logits": self.decay_dense(self.decay_reduction(query))}

    def prepare(self, query, key, value, visible, position, logits):
        query, key, value = widened(query, key, value)
        query = query * ops.cast(position.scale(query.shape[-1]), query.dtype)
        decay = ops.log_sigmoid(hidden_logits(logits, visible))
        decay = hidden(decay / self.gate_temperature, visible)
        return {"query": query, "key": key, "value": value, "decay": decay}

    def compute_weights(self, query, key, visible, position, logits):
        parts = self.prepare(query, key, key, visible, position, logits)
        parts.pop("value")
        return ops.cast(dense_weights(parts, visible.causal), query.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "gate_rank": self.gate_rank,
            "gate_temperature": self.gate_temperature,
        }
