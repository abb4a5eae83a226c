"""Performer: random features whose products are near those of the softmax."""

import math
import random

import keras
import numpy as np
from keras import ops

from keras_attention.attention.linear.base import KernelAttention
from keras_attention.attention.linear.sums import product
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class PerformerAttention(KernelAttention):
    """Performer: softmax attention approximated by random features (FAVOR+).

    With x scaled by d^(-1/4) and random directions w, those of a block being
    orthogonal, phi(x) = exp(w x - |x|^2 / 2). The mean of phi(q) phi(k) over
    the directions is exp(q k / sqrt(d)), so attention is near that of the
    softmax, the nearer the more features, in time linear in the length. The
    directions are drawn once from `seed` and saved with the weights; they are
    never drawn anew.

    The largest exponent is taken out of each query and of each key; what a
    key loses is kept beside the sums and put back, so neither padding, later
    tokens nor other rows of a batch matter. The authors' code adds a small
    epsilon to every feature instead, which this does without.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        num_features: integer, random features of a head;
            `int(head_dim * log(head_dim))` by default.
        chunk_size: integer, queries in a chunk of the causal form. It changes
            the speed, not the numbers.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of the mixed values dropped in training (there
            are no weights to drop).
        position: a positional encoding that rotates queries and keys, or None.
        kernel_initializer: initializer of the projections.
        seed: integer for the random directions and for dropout; drawn by
            default, and then part of the configuration.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, cache, memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: if `num_features` is no positive integer, and as
            `Attention` does.

    Example:

    ```python
    import keras
    from keras_attention import PerformerAttention

    layer = PerformerAttention(num_heads=4, num_features=64)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Choromanski et al. 2021, Rethinking Attention with Performers,
        https://arxiv.org/abs/2009.14794
    """

    paper = "Choromanski et al. 2021"
    cost = "nrd / nr"
    cache_size = "num_kv_heads · (rd + r + 1)"
    features_have_log = True

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        num_features=None,
        seed=None,
        **kwargs,
    ):
        if seed is None:
            # By the generator that `keras.utils.set_random_seed` sets.
            seed = random.randint(1, 2**31 - 1)
        super().__init__(num_heads, head_dim, num_kv_heads, seed=seed, **kwargs)
        if num_features is not None:
            check_integer("num_features", num_features)
        self.num_features = num_features

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.directions = self.add_weight(
            shape=(self.feature_dim, self.head_dim),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(
                orthogonal_directions(*shape, self.seed), dtype=dtype
            ),
            dtype=at_least_float32(self.variable_dtype),
            trainable=False,
            autocast=False,
            name="directions",
        )

    @property
    def feature_dim(self):
        if self.num_features is not None:
            return self.num_features
        return max(int(self.head_dim * math.log(self.head_dim)), 1)

    def make_features(self, position):
        # Reads the variable, which a conversion would not do on TensorFlow.
        directions = ops.stop_gradient(self.directions)
        scale = position.scale(self.head_dim) ** 0.5

        def features(x, role, positions):
            x = x * ops.cast(scale, x.dtype)
            logits = product(x, ops.cast(directions, x.dtype), transpose_y=True)
            top = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
            if role == "query":
                # Its own |q|^2 / 2 would cancel too.
                return ops.exp(logits - top), None
            half = 0.5 * ops.sum(ops.square(x), axis=-1, keepdims=True)
            log = top - ops.stop_gradient(half)
            return ops.exp(logits - (half + log)), log

        return features

    def get_config(self):
        return {**super().get_config(), "num_features": self.num_features}


def orthogonal_directions(num_features, head_dim, seed):
    """Draws random directions, orthogonal in blocks of `head_dim`.

    Each by itself is a standard normal vector: a random direction with the
    length of one.

    Args:
        num_features: integer.
        head_dim: integer.
        seed: integer.

    Returns:
        `(num_features, head_dim)` in NumPy: the same on every backend.
    """
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(-(-num_features // head_dim)):
        block, upper = np.linalg.qr(rng.normal(size=(head_dim, head_dim)))
        # Signs that make all orthogonal matrices equally likely.
        blocks.append((block * np.sign(np.diag(upper))).T)
    lengths = rng.normal(size=(num_features, head_dim))
    lengths = np.linalg.norm(lengths, axis=1, keepdims=True)
    return np.concatenate(blocks)[:num_features] * lengths
