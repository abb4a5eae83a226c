"""Nyström attention: softmax attention approximated through landmarks."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.softmax import (
    query_key_products,
    swap_heads,
    weighted_values,
)
from keras_attention.attention.core.split import cut_axis
from keras_attention.checks import check_integer
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE, copy_initializer
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class NystromAttention(Attention):
    """Softmax attention through landmarks: F A⁺ B V.

    Landmarks `Q~` and `K~` are the means of segments of the queries and of
    the keys. With `F = softmax(Q K~')`, `A = softmax(Q~ K~')` and
    `B = softmax(Q~ K')`, all scaled as usual, `F A⁺ B` stands for the weights
    of all queries on all keys, in time and memory linear in the length. `A⁺`
    is approximated by a fixed number of products. With as many landmarks as
    tokens and enough iterations it is exact attention.

    Everything is computed in at least float32: the entries of `A⁺` are large
    and of both signs. `attention_weights` gives `F A⁺ B`, which may be
    negative and sums to one only where `A⁺` is exact.

    Departures from the paper: a sequence need not be a multiple of
    `num_landmarks` (the last segments are shorter or empty, and empty ones
    left out); padding is left out of the means, and each row is cut into
    segments by its own length; the published code starts all iterations of a
    batch from one common norm, so that rows depend on each other, while here
    each matrix starts from its own, as the paper has it.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads; `num_heads` by
            default.
        num_landmarks: integer, number of segments.
        num_iterations: integer, steps towards the pseudo-inverse.
        conv_kernel_size: odd integer, positions that a depthwise convolution
            over the values covers, which is added to the output of each
            head; None for no convolution.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`. Dropout acts on the mixed heads.

    Call arguments:
        query: `(batch, length, dim)`; it attends to itself alone.
        padding_mask: boolean `(batch, length)`.
        start, training: see `Attention`.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for cross-attention, a causal mask, a dense mask or a
            cache.

    Example:

    ```python
    import keras
    from keras_attention import NystromAttention

    layer = NystromAttention(num_heads=4, num_landmarks=16)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Xiong et al. 2021, Nyströmformer: A Nyström-Based Algorithm for
        Approximating Self-Attention, https://arxiv.org/abs/2102.03902
    """

    paper = "Xiong et al. 2021"
    cost = "nmd / nm"
    supports_cross_attention = False
    supports_causal_mask = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        num_landmarks=64,
        num_iterations=6,
        conv_kernel_size=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("num_landmarks", num_landmarks)
        check_integer("num_iterations", num_iterations)
        if conv_kernel_size is not None:
            check_integer("conv_kernel_size", conv_kernel_size)
            if conv_kernel_size % 2 == 0:
                raise ValueError(
                    "conv_kernel_size must be odd, so that as many positions "
                    f"come before as after. Received: {conv_kernel_size}"
                )
        self.num_landmarks = num_landmarks
        self.num_iterations = num_iterations
        self.conv_kernel_size = conv_kernel_size

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        if self.conv_kernel_size is not None:
            self.conv_kernel = self.add_weight(
                name="conv_kernel",
                shape=(self.conv_kernel_size, 1, self.num_kv_heads, 1),
                initializer=copy_initializer(self.kernel_initializer),
            )

    def attend(self, query, key, value, visible, position, training=None):
        dtype = at_least_float32(query.dtype)
        heads = swap_heads(ops.cast(value, dtype))
        to_landmarks, inverse, to_keys = self._factors(
            query, key, visible, position
        )
        summary = weighted_values(to_keys, heads)
        summary = ops.einsum("bhij,bhjd->bhid", inverse, summary)
        output = swap_heads(weighted_values(to_landmarks, summary))
        if self.conv_kernel_size is not None:
            output = output + ops.cast(self._convolve(value), dtype)
        return self.drop(ops.cast(output, query.dtype), training)

    def compute_weights(self, query, key, visible, position):
        to_landmarks, inverse, to_keys = self._factors(
            query, key, visible, position
        )
        weights = ops.einsum(
            "bhti,bhij,bhjs->bhts", to_landmarks, inverse, to_keys
        )
        return ops.cast(weights, query.dtype)

    def _factors(self, query, key, visible, position):
        """Gives F `(b, h, t, m)`, A⁺ `(b, h, m, m)` and B `(b, h, m, s)`."""
        padding_mask = visible.padding_mask
        if padding_mask is not None:
            query = hide(query, padding_mask)
        dtype = at_least_float32(query.dtype)
        query, key = ops.cast(query, dtype), ops.cast(key, dtype)
        query = query * position.scale(query.shape[-1])
        landmarks = self.num_landmarks
        query_means, seen = segment_means(query, landmarks, padding_mask)
        key_means, _ = segment_means(key, landmarks, padding_mask)
        rows, columns = seen[:, None, :, None], seen[:, None, None, :]
        token = None
        if padding_mask is not None:
            token = padding_mask[:, None, None, :]
        between = _weigh(query_means, key_means, columns)
        between = ops.where(rows, between, 0.0)
        inverse = iterative_pseudo_inverse(between, self.num_iterations)
        to_landmarks = _weigh(query, key_means, columns)
        return to_landmarks, inverse, _weigh(query_means, key, token)

    def _convolve(self, value):
        """Convolves values `(b, n, kv_heads, d)`, one kernel a head."""
        kernel = ops.cast(self.conv_kernel, value.dtype)
        # Heads are the channels; the width of a head is an axis of pixels.
        output = ops.depthwise_conv(
            ops.swapaxes(value, 2, 3),
            kernel,
            padding="same",
            data_format="channels_last",
        )
        groups = self.num_heads // self.num_kv_heads
        return ops.repeat(ops.swapaxes(output, 2, 3), groups, axis=2)

    def get_config(self):
        return {
            **super().get_config(),
            "num_landmarks": self.num_landmarks,
            "num_iterations": self.num_iterations,
            "conv_kernel_size": self.conv_kernel_size,
        }


def _weigh(query, key, mask):
    """Softmax weights of scaled queries on keys, both `(b, n, h, d)`."""
    scores = query_key_products(swap_heads(query), swap_heads(key))
    return softmax.weigh(scores, mask)


def segment_means(heads, num_segments, padding_mask=None):
    """Averages queries or keys over segments of one length.

    A sequence is cut into segments of `ceil(length / num_segments)`
    positions, so that short ones leave the last segments empty. With a mask
    each row has the length of its own last token that counts, so that padding
    behind it changes nothing, and only tokens that count are averaged.

    Args:
        heads: `(batch, length, heads, head_dim)`; zeros at padding.
        num_segments: integer.
        padding_mask: boolean `(batch, length)`, or None.

    Returns:
        `(means, seen)`: `(batch, num_segments, heads, head_dim)`, and boolean
        `(batch or 1, num_segments)`, True for segments with a token.
    """
    if padding_mask is None:
        return _means_of_all(heads, num_segments)
    length = ops.shape(heads)[1]
    places = ops.arange(length, dtype="int32")
    ends = ops.where(padding_mask, places + 1, 0)
    row_length = ops.max(ends, axis=1, keepdims=True)
    size = ops.maximum(-(-row_length // num_segments), 1)
    segment = places // size
    member = segment[..., None] == ops.arange(num_segments, dtype="int32")
    member = ops.logical_and(member, padding_mask[..., None])
    member = ops.cast(member, heads.dtype)
    count = ops.sum(member, axis=1)
    # A product, for segments that differ from row to row.
    sums = ops.einsum("bsm,bshd->bmhd", member, heads)
    return sums / ops.maximum(count, 1)[..., None, None], count > 0


def _means_of_all(heads, num_segments):
    length = ops.shape(heads)[1]
    size = -(-length // num_segments)
    sums = ops.sum(cut_axis(heads, num_segments, size, axis=1), axis=2)
    starts = size * ops.arange(num_segments, dtype="int32")
    count = ops.clip(length - starts, 0, size)[None]
    means = sums / ops.cast(ops.maximum(count, 1), heads.dtype)[..., None, None]
    return means, count > 0


def iterative_pseudo_inverse(matrix, num_iterations):
    """Approximates Moore-Penrose inverses by products alone.

    Every matrix starts from its own norms, so none depends on another one.

    Args:
        matrix: `(..., m, m)` of weights of 0 or more.
        num_iterations: integer; the error shrinks with the third power.

    Returns:
        `(..., m, m)`; zeros for a matrix of zeros.
    """
    rows = ops.max(ops.sum(matrix, axis=-1), axis=-1)
    columns = ops.max(ops.sum(matrix, axis=-2), axis=-1)
    norm = (rows * columns)[..., None, None]
    norm = ops.where(norm > 0, norm, 1.0)
    inverse = ops.swapaxes(matrix, -1, -2) / norm
    identity = ops.eye(matrix.shape[-1], dtype=matrix.dtype)
    for _ in range(num_iterations):
        product = _multiply(matrix, inverse)
        inner = 15 * identity - _multiply(product, 7 * identity - product)
        inner = 13 * identity - _multiply(product, inner)
        inverse = 0.25 * _multiply(inverse, inner)
    return inverse


def _multiply(first, second):
    # `matmul` on torch gives float32 for float64.
    return ops.einsum("...ij,...jk->...ik", first, second)
