"""Biases from conditionally positive definite kernels of the distance."""

import keras
from keras import ops

from keras_attention.checks import did_you_mean
from keras_attention.positions.core.distances import DistanceBias, along_heads
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32

_VARIANTS = ("log", "power")

# The largest r1 and r2 drawn at first, and the smallest.
_LARGEST = {"log": (2.0, 1.0), "power": (1.0, 2.0)}
_SMALLEST = 0.01


@keras.saving.register_keras_serializable(package=PACKAGE)
class Kerple(DistanceBias):
    """Lowers scores by a learned, concave function of the distance (KERPLE).

    With two numbers a head, r1 and r2, a query at position i and a key at j
    get the bias

    - `"log"`: `-r1 * log(1 + r2 * |i - j|)`, r1 and r2 positive;
    - `"power"`: `-r1 * |i - j| ** r2`, r1 positive and r2 in (0, 2).

    What is trained are `amount` and `rate`: r1 is the softplus of `amount`;
    r2 is that of `rate`, or in the power twice its sigmoid. So they stay in
    their ranges by themselves, where the authors' code clips them after each
    step (at 0.01 from below). As there, r1 and r2 are first drawn evenly up to
    2 and 1, or in the power up to 1 and 2.

    Both sides of a query count alike: the kernels are symmetric, though the
    paper has causal models alone.

    Args:
        variant: `"log"`, which the paper found to extrapolate best, or
            `"power"`.
        shared: whether the blocks of a model use the same numbers.

    Raises:
        ValueError: for an unknown variant.

    Example:

    ```python
    import keras
    from keras_attention import Kerple, TransformerDecoder

    model = TransformerDecoder(
        100, 2, 32, 4, position=Kerple(variant="power")
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Chi et al. 2022, KERPLE: Kernelized Relative Positional Embedding for
        Length Extrapolation, https://arxiv.org/abs/2205.09921
    """

    paper = "Chi et al. 2022"

    def __init__(self, variant="log", shared=True, **kwargs):
        super().__init__(**kwargs)
        if variant not in _VARIANTS:
            raise ValueError(
                f"variant must be one of {', '.join(_VARIANTS)}. "
                f"Received: {variant!r}.{did_you_mean(variant, _VARIANTS)}"
            )
        self.variant = variant
        self.shared = shared

    def build(self, input_shape):
        inverses = {"log": _before_softplus, "power": _before_sigmoid}
        first, second = _LARGEST[self.variant]
        self.amount = self._add("amount", input_shape, first, _before_softplus)
        self.rate = self._add(
            "rate", input_shape, second, inverses[self.variant]
        )

    def _add(self, name, input_shape, largest, inverse):
        def initializer(shape, dtype=None):
            drawn = keras.random.uniform(
                shape, _SMALLEST, largest - _SMALLEST, "float32"
            )
            return ops.cast(inverse(drawn), dtype)

        return self.add_weight(
            name=name,
            shape=(input_shape[-2],),
            initializer=initializer,
            autocast=False,
        )

    def of_distance(self, distances, causal):
        dtype = at_least_float32(self.compute_dtype)
        amount, rate = (
            along_heads(ops.cast(weight, dtype), distances)
            for weight in (self.amount, self.rate)
        )
        distances = ops.cast(ops.absolute(distances), dtype)
        amount = ops.softplus(amount)
        if self.variant == "log":
            return -amount * ops.log1p(ops.softplus(rate) * distances)
        # The logarithm of distance 0 would make gradients NaN.
        logarithms = ops.log(ops.maximum(distances, 1.0))
        powers = ops.exp(2.0 * ops.sigmoid(rate) * logarithms)
        return -amount * ops.where(distances > 0, powers, 0.0)

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "shared": self.shared,
        }


def _before_softplus(x):
    return ops.log(ops.expm1(x))


def _before_sigmoid(x):
    return ops.log(x / (2.0 - x))
