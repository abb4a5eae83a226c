"""Disentangled attention: content to position and position to content."""

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.relative.distance_products import (
    for_each_head,
    laid_out,
    pairs,
    products,
    widened,
)
from keras_attention.registry import PACKAGE
from keras_attention.tensors import known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class DisentangledRelative(PositionalEncoding):
    """Compares queries and keys with projected vectors of their distance.

    With n of the two terms, the score of query i and key j is `(q_i k_j + q_i
    K[b] + k_j Q[b]) / sqrt((1 + n) d)`, where b is the bucket of the distance
    i - j and K and Q are projections, with a bias, of a table `(2 * span,
    num_heads * head_dim)`. Distances have buckets of their own up to a
    quarter of these, and logarithmic ones from there up to `max_distance`,
    exactly as in DeBERTa-v2. All weights are drawn from a normal distribution
    of deviation 0.02, biases start at zero.

    DeBERTa shares the table among its blocks but not the projections, and
    normalizes it in some sizes; here both belong together and nothing is
    normalized. Its `share_att_key`, where the projections of the content
    serve positions too, is not offered: an encoding does not see them.

    Args:
        position_buckets: even integer, the span: buckets to each side; None
            for one a distance, `max_distance` of them.
        max_distance: integer, from which on distances count as the same.
        content_to_position: whether queries meet positions, `q_i K[b]`.
        position_to_content: whether keys meet positions, `k_j Q[b]`.
        shared: whether the blocks of a model use the same weights; by default
            each has its own.

    Raises:
        ValueError: if a number makes no sense, or for neither of the terms.

    Example:

    ```python
    import keras
    from keras_attention import DisentangledRelative, TransformerEncoder

    model = TransformerEncoder(
        100, 2, 32, 4,
        position=DisentangledRelative(position_buckets=32, max_distance=64),
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        He et al. 2021, DeBERTa, https://arxiv.org/abs/2006.03654;
        He et al. 2021, DeBERTaV3 (and the buckets of its code),
        https://arxiv.org/abs/2111.09543
    """

    paper = "He et al. 2021"

    def __init__(
        self,
        position_buckets=256,
        max_distance=512,
        content_to_position=True,
        position_to_content=True,
        shared=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        max_distance = check_integer("max_distance", max_distance)
        if position_buckets is not None:
            position_buckets = check_integer(
                "position_buckets", position_buckets, 2
            )
            if (
                position_buckets % 2
                or position_buckets // 2 + 1 >= max_distance
            ):
                raise ValueError(
                    "position_buckets must be even, and half of it less than "
                    f"max_distance - 1. Received: position_buckets="
                    f"{position_buckets}, max_distance={max_distance}"
                )
        if not (content_to_position or position_to_content):
            raise ValueError(
                "One of content_to_position and position_to_content must be "
                "True. Received: False for both"
            )
        self.position_buckets = position_buckets
        self.max_distance = max_distance
        self.content_to_position = content_to_position
        self.position_to_content = position_to_content
        self.shared = shared

    @property
    def span(self):
        """How many buckets there are to each side."""
        return self.position_buckets or self.max_distance

    def build(self, input_shape):
        heads, head_dim = input_shape[-2:]
        width = heads * head_dim
        normal = keras.initializers.RandomNormal
        self.table = self.add_weight(
            name="table",
            shape=(2 * self.span, width),
            initializer=normal(stddev=0.02),
            autocast=False,
        )
        for name, used in (
            ("key", self.content_to_position),
            ("query", self.position_to_content),
        ):
            if not used:
                continue
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(width, heads, head_dim),
                initializer=normal(stddev=0.02),
                autocast=False,
            )
            bias = self.add_weight(
                name=f"{name}_bias",
                shape=(heads, head_dim),
                initializer="zeros",
                autocast=False,
            )
            setattr(self, f"{name}_projection", [kernel, bias])

    def scale(self, head_dim):
        terms = 1 + self.content_to_position + self.position_to_content
        return (terms * head_dim) ** -0.5

    def bias(self, query, key, query_positions, key_positions, causal):
        query, key = widened(query), widened(key)
        key = for_each_head(key, query.shape[2])
        rows = self._rows(pairs(query_positions, key_positions))
        found = 0.0
        if self.content_to_position:
            vectors = self._vectors(self.key_projection, query)
            found = laid_out(products(query, vectors), rows)
        if self.position_to_content:
            vectors = self._vectors(self.query_projection, query)
            found = found + _of_keys(key, vectors, rows)
        return found

    def _vectors(self, projection, query):
        """The table projected and scaled, `(2 * span, heads, head_dim)`."""
        kernel, bias = (ops.cast(x, query.dtype) for x in projection)
        table = ops.cast(self.table, query.dtype)
        vectors = ops.einsum("rw,whd->rhd", table, kernel) + bias
        return vectors * self.scale(query.shape[-1])

    def _rows(self, distances):
        """The rows of the table that belong to distances."""
        most = self.max_distance
        rows = np.clip(
            buckets(np.arange(-most, most + 1), self.position_buckets, most),
            -self.span,
            self.span - 1,
        )
        # Looked up, as the place where a bucket ends must not depend on how a
        # logarithm is rounded.
        rows = ops.convert_to_tensor((rows + self.span).astype("int32"))
        return ops.take(rows, ops.clip(distances, -most, most) + most, axis=0)

    def get_config(self):
        return {
            **super().get_config(),
            "position_buckets": self.position_buckets,
            "max_distance": self.max_distance,
            "content_to_position": self.content_to_position,
            "position_to_content": self.position_to_content,
            "shared": self.shared,
        }


def buckets(distances, position_buckets, max_distance):
    """Sorts distances into buckets, odd in the distance.

    Args:
        distances: NumPy integers.
        position_buckets: even integer, or None for a bucket a distance.
        max_distance: integer, which is in the last bucket or behind it.

    Returns:
        NumPy integers.
    """
    if position_buckets is None:
        return distances
    middle = position_buckets // 2
    size = np.maximum(np.abs(distances), middle)
    growth = np.log(size / middle) / np.log((max_distance - 1) / middle)
    far = np.ceil(growth * (middle - 1)).astype("int64") + middle
    return np.where(size <= middle, distances, np.sign(distances) * far)


def _of_keys(key, vectors, rows):
    """Compares keys with the vectors of their distances from the queries.

    Args:
        key: `(batch, key_length, heads, head_dim)`.
        vectors: `(number, heads, head_dim)`.
        rows: integers `(batch or 1, 1, query_length, key_length)`.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    single = known_integer(rows.shape[2]) == 1
    if single and known_integer(rows.shape[0]) == 1:
        # In decoding the few keys, each with its one vector, are less than
        # the products with all of these.
        chosen = ops.take(vectors, rows[0, 0, 0], axis=0)
        return ops.einsum("bshd,shd->bhs", key, chosen)[:, :, None]
    rows = ops.swapaxes(rows, 2, 3)
    return ops.swapaxes(laid_out(products(key, vectors), rows), 2, 3)
