"""A learned bias for each bucket of distances."""

import math

import keras
import numpy as np
from keras import initializers, ops

from keras_attention.checks import check_boolean, check_integer
from keras_attention.positions.core.distances import DistanceBias
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class T5RelativeBias(DistanceBias):
    """Adds a learned number for each head and bucket of distances (T5).

    Each distance below half the buckets has one of its own; the other half
    grow like logarithms up to `max_distance`, and the last holds all that is
    farther. A bidirectional bias splits the buckets between keys before and
    behind the query; one for causal calls has all of them for keys before it,
    so the same table means something else. Which of them it is the first call
    decides, unless `bidirectional` says so, and a later call of the other
    kind is refused.

    T5 also leaves scores unscaled, which its small initial queries make up
    for: `scaled=False` does so, to load or follow its models.

    Args:
        num_buckets: integer, rows of the table: 4 or more, or 2 where
            `bidirectional=False`.
        max_distance: integer, from where on all distances share a bucket;
            more than the distances that have one of their own.
        bidirectional: whether buckets tell keys before the query from those
            behind it; None for what the first call needs. With True, causal
            calls use the half before the query, as fits a model that attends
            both ways in turn.
        shared: whether the blocks of a model use one table, as T5 does, or
            each its own.
        scaled: whether scores are divided by the root of `head_dim`.
        initializer: of the table `(num_buckets, num_heads)`; by default
            normal with a deviation of 0.02. (T5 has `hidden_dim ** -0.5`.)

    Raises:
        ValueError: for sizes that make no buckets, and for causal and other
            calls in turn where `bidirectional` is None.

    Example:

    ```python
    import keras
    from keras_attention import T5RelativeBias, TransformerEncoder

    model = TransformerEncoder(
        100, 2, 32, 4, position=T5RelativeBias(num_buckets=16)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Raffel et al. 2020, Exploring the Limits of Transfer Learning with a
        Unified Text-to-Text Transformer, https://arxiv.org/abs/1910.10683
    """

    paper = "Raffel et al. 2020"

    def __init__(
        self,
        num_buckets=32,
        max_distance=128,
        *,
        bidirectional=None,
        shared=True,
        scaled=True,
        initializer="truncated_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if bidirectional is not None:
            check_boolean("bidirectional", bidirectional)
        smallest = 2 if bidirectional is False else 4
        check_integer("num_buckets", num_buckets, smallest)
        exact = num_buckets // 4 if bidirectional else num_buckets // 2
        check_integer("max_distance", max_distance, exact + 1)
        self.num_buckets = int(num_buckets)
        self.max_distance = int(max_distance)
        self.bidirectional = bidirectional
        self.shared = shared
        self.scaled = scaled
        if initializer == "truncated_normal":
            initializer = initializers.TruncatedNormal(stddev=0.02)
        self.initializer = initializers.get(initializer)
        self._decided = bidirectional

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.num_buckets, input_shape[-2]),
            initializer=self.initializer,
            autocast=False,
        )

    def of_distance(self, distances, causal):
        table = ops.cast(self.table, at_least_float32(self.compute_dtype))
        numbers = ops.take(table, self._bucket(distances, causal), axis=0)
        return ops.moveaxis(numbers, -1, 0)

    def _bucket(self, distances, causal):
        """Gives the row of the table for distances of any shape."""
        if not self._is_bidirectional(causal):
            buckets = buckets_of(self.num_buckets, self.max_distance)
            return ops.take(buckets, ops.clip(distances, 0, self.max_distance))
        half = self.num_buckets // 2
        buckets = buckets_of(half, self.max_distance)
        absolute = ops.minimum(ops.absolute(distances), self.max_distance)
        behind = half * ops.cast(distances < 0, "int32")
        return ops.take(buckets, absolute) + behind

    def _is_bidirectional(self, causal):
        if self._decided is None:
            self._decided = not causal
        elif self.bidirectional is None and self._decided == bool(causal):
            kinds = ("a causal call", "a call that is not causal")
            raise ValueError(
                "T5RelativeBias has other buckets in causal calls than in "
                "others, and one table for either. Give bidirectional=True "
                f"or False. Received: {kinds[not causal]} after "
                f"{kinds[bool(causal)]}"
            )
        return self._decided

    def overrides(self, *hooks):
        if self.scaled:
            hooks = [hook for hook in hooks if hook != "scale"]
        return super().overrides(*hooks)

    def scale(self, head_dim):
        return super().scale(head_dim) if self.scaled else 1.0

    def get_config(self):
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "bidirectional": self.bidirectional,
            "shared": self.shared,
            "scaled": self.scaled,
            "initializer": initializers.serialize(self.initializer),
        }


def buckets_of(num_buckets, max_distance):
    """Lists the bucket of every distance that may have one of its own.

    T5's formula has logarithms in float32, whose last bit says on which side
    of a whole number some distances fall. Here every step is rounded to
    float32 as there, but in NumPy, so that no backend or device differs.

    Args:
        num_buckets: integer, buckets for one direction.
        max_distance: integer; all that is farther is in the last bucket.

    Returns:
        NumPy int32 `(max_distance + 1,)`.
    """
    exact = num_buckets // 2
    distances = np.arange(max_distance + 1)
    ratios = np.float32(np.maximum(distances, exact) / exact)
    logarithms = np.float32(np.log(np.float64(ratios)))
    shares = logarithms / np.float32(math.log(max_distance / exact))
    steps = np.int32(shares * np.float32(num_buckets - exact))
    far = np.minimum(exact + steps, num_buckets - 1)
    return np.where(distances < exact, distances, far).astype("int32")
