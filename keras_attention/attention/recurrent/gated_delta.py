"""The gated delta rule, the linear attention of Gated DeltaNet."""

import math

import keras
from keras import ops

from keras_attention.attention.core.checks import refuse_unless
from keras_attention.attention.recurrent.base import (
    RecurrentAttention,
    hidden,
    hidden_logits,
    widened,
)
from keras_attention.attention.recurrent.delta_rule import mix_by_delta_rule
from keras_attention.attention.recurrent.short_convolution import (
    ShortConvolution,
    check_conv_size,
)
from keras_attention.checks import check_integer
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE

_PARTS = ("query", "key", "value")


@keras.saving.register_keras_serializable(package=PACKAGE)
class GatedDeltaAttention(RecurrentAttention):
    """Linear attention that corrects its state: S += β k (v - S'k)', gated.

    At each position the state first shrinks, `S = exp(g) S`, then what it
    holds for the key moves towards the value by a share β, and the output is
    `S' q / √d`. Queries and keys have length 1, β = sigmoid(x W), and
    `g = -exp(A) softplus(x W + b)` with a learned A and b for each head. The
    output is normalized head by head (root mean square, with a learned
    scale), multiplied by `swish(x W)` and projected. Queries, keys and values
    pass through a SiLU, with `conv_size` behind a short causal convolution of
    each feature. The past costs a state of constant size, and time grows with
    the length, in chunks.

    With `use_causal_mask=True` or a cache, that is one pass. Without, a
    second pass with the same weights runs from the end to the start and the
    two are added; in it a position reads before it writes. Padding is not
    written and lets nothing decay; for a convolution it is zeros in its
    place. There are no weights to look at, since each value written depends
    on all before it.

    Args:
        num_heads: integer, number of value heads, and of states.
        head_dim: integer, width of a query and key head; `dim // num_heads`
            by default.
        num_key_heads: integer, number of query and key heads; each serves
            `num_heads // num_key_heads` value heads. `num_heads` by default.
        conv_size: integer, positions that the convolution sees (4 in the
            paper's models and Qwen3-Next), or None for no convolution.
        value_head_dim: integer, width of a value head; `head_dim` by default.
        chunk_size: integer, a power of two, positions in a chunk.
        norm: whether each head's output is normalized.
        gate: whether the output is multiplied by `swish(x W)`.
        epsilon: float, added to the mean square in the norm.
        use_bias: whether the projections have biases. That of g has b.
        dropout: float, share of the mixed values dropped in training.
        position: a positional encoding that rotates queries and keys, or None.
            It excludes `conv_size`, which would mix keys that are rotated
            differently.
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
        ValueError: for a `num_key_heads` that does not divide `num_heads`, a
            `conv_size` below 2 or beside a position that rotates, a
            `chunk_size` that is no power of two, `num_kv_heads`, another
            source than the query, or a dense `attention_mask`.

    Example:

    ```python
    import keras
    from keras_attention import GatedDeltaAttention

    layer = GatedDeltaAttention(num_heads=4, conv_size=4)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 50, 32)
    ```

    Reference:
        Yang et al. 2024, Gated Delta Networks: Improving Mamba2 with Delta
        Rule, https://arxiv.org/abs/2412.06464;
        Yang et al. 2024, Parallelizing Linear Transformers with the Delta
        Rule over Sequence Length (chunks), https://arxiv.org/abs/2406.06484
    """

    paper = "Yang et al. 2024"
    cost = "nd² / d²"
    cache_size = "num_heads · d² + 3d · num_heads · (conv_size - 1)"
    projections = (*RecurrentAttention.projections, "strength")

    def __init__(
        self,
        num_heads,
        head_dim=None,
        *,
        num_key_heads=None,
        conv_size=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, **kwargs)
        if num_key_heads is not None:
            check_integer("num_key_heads", num_key_heads)
            if num_heads % num_key_heads:
                raise ValueError(
                    "num_heads must be a multiple of num_key_heads. Received: "
                    f"num_heads={num_heads}, num_key_heads={num_key_heads}"
                )
        check_conv_size(conv_size)
        rotates = self.position.overrides("rotate")
        refuse_unless(
            self,
            conv_size is None or not rotates,
            f"conv_size beside {type(self.position).__name__}",
            "leave out one of them",
        )
        self.num_key_heads = num_key_heads
        self.conv_size = conv_size

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        heads = self.num_heads
        self.strength_dense = self._dense(
            "strength", "btm,mh->bth", (None, heads), "h"
        )
        self.decay_dense = self._dense(
            "decay", "btm,mh->bth", (None, heads), None
        )
        self.strength_dense.build(query_shape)
        self.decay_dense.build(query_shape)
        # Half precision has too few digits for what exp and sums are taken of.
        self.decay_rate = self._head_weight("decay_rate", (heads,), _rates)
        self.decay_bias = self._head_weight("decay_bias", (heads,), _steps)
        if self.norm:
            self.norm_scale = self._head_weight(
                "norm_scale", (self.value_head_dim,), "ones"
            )
        for name in _PARTS if self.conv_size else ():
            dense = getattr(self, f"{name}_dense")
            convolution = ShortConvolution(
                self.conv_size,
                name=f"{name}_convolution",
                dtype=self.dtype_policy,
            )
            convolution.build(
                dense.compute_output_shape((None, *query_shape[1:]))
            )
            setattr(self, f"{name}_convolution", convolution)

    def _head_weight(self, name, shape, initializer):
        return self.add_weight(
            shape=shape, initializer=initializer, autocast=False, name=name
        )

    def _key_heads(self):
        return self.num_key_heads or self.num_heads

    def project_query(self, query):
        query = super().project_query(query)
        return query if self.conv_size else ops.silu(query)

    def project_source(self, key, value):
        heads = super().project_source(key, value)
        return heads if self.conv_size else tuple(map(ops.silu, heads))

    def side_inputs(self, query, key, value):
        return {
            "decay": ops.expand_dims(self.decay_dense(query), -1),
            "beta": ops.expand_dims(self.strength_dense(query), -1),
        }

    def prepare(self, query, key, value, visible, position, decay, beta):
        if self.conv_size and visible.padding_mask is not None:
            # The queries behind it see this one.
            query = hide(query, visible.padding_mask)
        query, key, value = widened(query, key, value)
        decay = hidden_logits(decay, visible)
        rate, bias = (
            ops.cast(weight, decay.dtype)[:, None]
            for weight in (self.decay_rate, self.decay_bias)
        )
        decay = -ops.exp(rate) * ops.softplus(decay + bias)
        beta = ops.sigmoid(hidden_logits(beta, visible))
        return {
            "query": query,
            "key": key,
            "value": value,
            "decay": hidden(decay, visible),
            "beta": hidden(beta, visible),
        }

    def recur(self, parts, cache=None, own=True):
        cache = {} if cache is None else cache
        parts, tails = self._convolve(parts, cache)
        query, key = (
            self._repeat(_unit(parts[name])) for name in ("query", "key")
        )
        scale = self.position.scale(self.head_dim)
        parts = {**parts, "query": scale * query, "key": key}
        output, state = mix_by_delta_rule(
            **parts,
            state=cache.get("state"),
            own=own,
            chunk_size=self.chunk_size,
        )
        return output, {"state": state, **tails}

    def _convolve(self, parts, cache):
        """Gives the parts and the tails that the next call needs."""
        if not self.conv_size:
            return parts, {}
        parts, tails = dict(parts), {}
        for name in _PARTS:
            convolution = getattr(self, f"{name}_convolution")
            parts[name], tails[name] = convolution(
                parts[name], tail=cache.get(name)
            )
        return parts, tails

    def _repeat(self, heads):
        """Gives every value head the query or key head that serves it."""
        times = self.num_heads // self._key_heads()
        return heads if times == 1 else ops.repeat(heads, times, axis=2)

    def normalize(self, output):
        """Brings each head to mean square 1, times the learned scale."""
        square = ops.mean(ops.square(output), axis=-1, keepdims=True)
        scale = ops.cast(self.norm_scale, output.dtype)
        return output * ops.rsqrt(square + self.epsilon) * scale

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache, the same for every `max_length`.

        Returns:
            `{"state"}` of `(batch, num_heads, head_dim, value_head_dim)`, in
            float32 or, for such a layer, float64. With a convolution also the
            last `conv_size - 1` of what it takes, `{"query", "key"}` of
            `(batch, conv_size - 1, num_key_heads, head_dim)` and `{"value"}`
            of `(batch, conv_size - 1, num_heads, value_head_dim)`.
        """
        cache = super().init_cache(batch_size, max_length)
        if not self.conv_size:
            return cache
        keys = (self._key_heads(), self.head_dim)
        values = (self.num_heads, self.value_head_dim)
        for name, shape in zip(_PARTS, (keys, keys, values), strict=True):
            cache[name] = ops.zeros(
                (batch_size, self.conv_size - 1, *shape), self.compute_dtype
            )
        return cache

    def get_config(self):
        return {
            **super().get_config(),
            "num_key_heads": self.num_key_heads,
            "conv_size": self.conv_size,
        }


def _unit(x):
    """Vectors of length 1; zeros stay zeros."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(square + 1e-6)


def _rates(shape, dtype=None):
    """Logarithms of rates from 0.01 to 16, as the authors draw them."""
    rates = keras.random.uniform(shape, 0.01, 16.0, dtype="float32")
    return ops.cast(ops.log(rates), dtype)


def _steps(shape, dtype=None):
    """Biases whose softplus lies between 0.001 and 0.1, as the authors'."""
    low, high = math.log(0.001), math.log(0.1)
    steps = keras.random.uniform(shape, low, high, dtype="float32")
    return ops.cast(ops.log(ops.expm1(ops.exp(steps))), dtype)
