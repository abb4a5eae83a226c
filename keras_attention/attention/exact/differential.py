"""Differential attention."""

import math

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.core.normalization import RootMeanSquare
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.checks import check_integer, is_real
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class DifferentialAttention(SoftmaxOptions, ScoredAttention):
    """Subtracts two attention maps: (softmax(Q1 K1') - l softmax(Q2 K2')) V.

    What both maps attend to without need, the noise, cancels. A head of width
    `head_dim` has two queries and two keys of half that width (scores are
    divided by its root) and values of the whole, so the layer is as large as
    one of plain attention. The share of the second map, one number for all
    heads, is l = exp(a1'b1) - exp(a2'b2) + lambda_init with learned vectors.
    Every head's output is divided by its root mean square, scaled by learned
    numbers that all heads share, and multiplied by 1 - lambda_init.

    The two maps of a head share the bias of a position. Dropout, of which the
    paper says nothing, acts on their difference. Weights may be negative.

    Args:
        num_heads: integer, number of heads (pairs of maps).
        head_dim: integer, even, width of a head; `dim // num_heads` by
            default.
        num_kv_heads: integer, number of key (pairs) and value heads, a
            divisor of `num_heads`; `num_heads` by default.
        depth: integer, number of the block from 0 on, which decides
            `lambda_init`. (A model makes all blocks of one template: to tell
            them apart, give it a list of layers.)
        lambda_init: float in (0, 1), the share at the beginning; by default
            0.8 - 0.6 exp(-0.3 depth).
        query_block_size: `"auto"`, an integer or None; see `ScoredAttention`.
        use_bias, dropout, position, kernel_initializer, seed: see `Attention`.
        scale, qk_norm, qk_norm_over, logit_softcap, gate, sink_logits,
            off_by_one: see `MultiHeadAttention`; of both maps, each with
            sinks of its own.

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
        ValueError: if the width of a head is odd, for a position that adds to
            the values (whose width is not that of queries), or for arguments
            that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import DifferentialAttention

    layer = DifferentialAttention(num_heads=4, depth=2)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Ye et al. 2024, Differential Transformer,
        https://arxiv.org/abs/2410.05258
    """

    paper = "Ye et al. 2024"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"
    supports_values = False
    num_maps = 2

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        depth=0,
        lambda_init=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("depth", depth, smallest=0)
        if lambda_init is not None and (
            not is_real(lambda_init) or not 0.0 < lambda_init < 1.0
        ):
            raise ValueError(
                "lambda_init must lie in (0, 1), or be None to follow from "
                f"depth. Received: {lambda_init!r}"
            )
        self.depth = depth
        self.lambda_init = lambda_init

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        self._choose_head_dim(query_shape[-1])
        if self.head_dim % 2:
            raise ValueError(
                "head_dim must be even: queries and keys have half of it. "
                f"Received: head_dim={self.head_dim}"
            )
        heads, kv_heads, half = self.num_heads, self.num_kv_heads, self._half
        self.query_dense = self._split_dense("query", 2 * heads, half)
        self.key_dense = self._split_dense("key", 2 * kv_heads, half)
        self.value_dense = self._split_dense("value", kv_heads)
        self.output_dense = self._dense(
            "attention_output",
            "bthd,hdm->btm",
            (None, query_shape[-1]),
            "m",
        )
        self.output_norm = RootMeanSquare(
            self.head_dim,
            epsilon=1e-5,
            name="output_norm",
            dtype=self.dtype_policy,
        )
        split_shape = (*query_shape[:-1], heads, self.head_dim)
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape)
        self.value_dense.build(value_shape)
        self.output_dense.build(split_shape)
        if not self.position.built:
            self.position.build((*split_shape[:-1], half))
        names = ("query_1", "key_1", "query_2", "key_2")
        self.lambdas = [self._lambda_vector(name) for name in names]
        self.build_options(query_shape)

    def _lambda_vector(self, name):
        return self.add_weight(
            shape=(self._half,),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            name=f"lambda_{name}",
            autocast=False,
        )

    @property
    def _half(self):
        return self.head_dim // 2

    @property
    def _first_share(self):
        """What the share of the second map is at the beginning."""
        if self.lambda_init is not None:
            return self.lambda_init
        return 0.8 - 0.6 * math.exp(-0.3 * self.depth)

    def project_output(self, output, query):
        output = self.output_norm(output) * (1.0 - self._first_share)
        return super().project_output(output, query)

    def scores(self, query, key, visible, position):
        """Compares for all first maps, then for all second ones.

        Returns:
            `(batch, 2 * num_heads, query_length, key_length)`.
        """
        products = softmax.scaled_products(query, key, position, self.scoring)
        maps = zip(
            *(ops.split(x, 2, axis=2) for x in (query, key)), strict=True
        )
        biases = [position.bias_in(*heads, visible) for heads in maps]
        if biases[0] is None:
            return products
        return products + ops.cast(
            ops.concatenate(biases, axis=1), products.dtype
        )

    def weigh(self, scores, mask, visible):
        weights = super().weigh(scores, mask, visible)
        first, second = ops.split(weights, 2, axis=1)
        return first - ops.cast(self._share(), first.dtype) * second

    def _share(self):
        """The share of the second map, a single number."""
        query_1, key_1, query_2, key_2 = map(
            ops.convert_to_tensor, self.lambdas
        )
        share = ops.exp(ops.sum(query_1 * key_1))
        return share - ops.exp(ops.sum(query_2 * key_2)) + self._first_share

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache for at most `max_length` positions.

        Returns:
            `{"key"}` of `(batch, 2 * num_kv_heads, max_length, head_dim //
            2)`, `{"value"}` of `(batch, num_kv_heads, max_length, head_dim)`
            and `{"mask"}` of `(batch, max_length)`.
        """
        cache = super().init_cache(batch_size, max_length)
        heads, half = 2 * self.num_kv_heads, self._half
        shape = (batch_size, heads, max_length, half)
        return {**cache, "key": ops.zeros(shape, dtype=self.compute_dtype)}

    def get_config(self):
        return {
            **super().get_config(),
            "depth": self.depth,
            "lambda_init": self.lambda_init,
        }
