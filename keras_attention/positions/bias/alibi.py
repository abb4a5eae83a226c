"""Attention with linear biases."""

import math

import keras
import numpy as np
from keras import ops

from keras_attention.positions.core.distances import DistanceBias, along_heads
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class ALiBi(DistanceBias):
    """Lowers scores in proportion to the distance, each head by a slope.

    The bias is `-slope * |i - j|` for a query at position i and a key at j:
    of the past in a causal call, of both sides alike in any other (where the
    paper, which has causal models alone, says nothing). Of `n` heads, `n` a
    power of two, head `h`, counted from 1, has the slope `2 ** (-8 * h / n)`.
    Of any other number, the first heads have the slopes of the next lower
    power of two and the rest every second one of the next higher, as in the
    authors' code. Nothing is learned, and there is no longest distance.

    Bloom and MPT add `slope * j` instead, which the softmax does not tell
    apart from it in a causal call: a row differs by one constant.

    Example:

    ```python
    import keras
    from keras_attention import ALiBi, TransformerDecoder

    model = TransformerDecoder(
        100, 2, 32, 4, position=ALiBi()
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Press et al. 2022, Train Short, Test Long: Attention with Linear Biases
        Enables Input Length Extrapolation, https://arxiv.org/abs/2108.12409
    """

    paper = "Press et al. 2022"

    def build(self, input_shape):
        self.slopes = slopes(input_shape[-2])

    def of_distance(self, distances, causal):
        dtype = at_least_float32(self.compute_dtype)
        slopes = ops.convert_to_tensor(self.slopes, dtype)
        distances = ops.cast(ops.absolute(distances), dtype)
        return -along_heads(slopes, distances) * distances


def slopes(num_heads):
    """Lists how steeply the scores of each head fall.

    Args:
        num_heads: integer.

    Returns:
        NumPy float64 `(num_heads,)`.
    """
    # The even exponents of the higher power of two are those of the lower.
    higher = 2 ** math.ceil(math.log2(num_heads))
    steps = np.arange(1, higher + 1)
    if higher != num_heads:
        steps = np.concatenate([steps[1::2], steps[::2]])[:num_heads]
    return 2.0 ** (-8.0 * steps / higher)
