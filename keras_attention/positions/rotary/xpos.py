"""Rotary embedding whose products fade with distance."""

import math

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_number
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.angles import (
    SharesAngles,
    inverse_wavelengths,
    once,
    rotate_pairs,
    sine_cosine,
)
from keras_attention.positions.rotary.rotary import count_rotated
from keras_attention.registry import PACKAGE

_GAMMA = 0.4  # of the paper
_LARGEST_PAIR = 16.0
# Float16 ends at 65,504. In float32 and bfloat16 the scores of later keys
# must stay far below the 1e30 by which a mask lowers them.
_LARGEST = {"float16": 65_504.0}
_LARGEST_OF_OTHERS = 1e29


@keras.saving.register_keras_serializable(package=PACKAGE)
class XPos(SharesAngles, PositionalEncoding):
    """Rotates queries and keys as `RotaryEmbedding`, and scales them by place.

    Pair i of k of a query at position `p` is multiplied by `zeta ** (p /
    scale_base)`, that of a key by its inverse, with `zeta = (i / k + 0.4) /
    1.4`. The product of a query and an earlier key then fades with their
    distance, that of quick pairs first.

    It is meant for causal attention by products: softmax and retention. A key
    behind its query is raised instead of lowered, by up to 3.5 for each
    `scale_base` positions: without a causal mask the farthest later key would
    win, so a `TransformerEncoder` refuses it. Flavours that normalize keys or
    map their features undo or distort the scaling.

    Keys grow with their position, the quickest pair's by 3.5 for each
    `scale_base` positions, and so do the products with later keys that the
    mask hides afterwards. Centring them by the length, as published code
    does, would scale the same token differently in each decoding step, so
    it is not done; and where exponents were clamped, nearby keys would fade
    no longer. So there is a `max_length`, up to which pairs of features of
    length 16 and scores of 16 stay finite: 3,400 positions in float16 for
    the default `scale_base`, 26,158 in bfloat16, float32 and float64. It
    grows in proportion to `scale_base`. A longer sequence is refused where
    its length is known.

    Args:
        base: the longest wavelength over two pi.
        scale_base: number of positions; the larger, the slower products fade.
        fraction: share of the features that is rotated, from the first on.
        interleaved: whether a pair is two neighbours (as in the authors'
            code) or one feature of each half.

    Raises:
        ValueError: if the rotated features are not an even, positive number,
            or a sequence is longer than `max_length`.

    Example:

    ```python
    import keras
    from keras_attention import TransformerDecoder, XPos

    model = TransformerDecoder(
        100, 2, 32, 4, position=XPos(scale_base=512.0)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Sun et al. 2022, A Length-Extrapolatable Transformer,
        https://arxiv.org/abs/2212.10554
    """

    paper = "Sun et al. 2022"
    causal_only = True

    def __init__(
        self,
        base=10_000.0,
        scale_base=512.0,
        fraction=1.0,
        interleaved=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.base = check_number("base", base, above=1.0)
        self.fraction = check_number("fraction", fraction, most=1.0)
        self.scale_base = check_number("scale_base", scale_base)
        self.interleaved = interleaved

    @property
    def max_length(self):
        """Positions from here on may overflow under this dtype policy."""
        return self.limit(self.compute_dtype)

    def limit(self, dtype):
        dtype = keras.backend.standardize_dtype(dtype)
        largest = _LARGEST.get(dtype, _LARGEST_OF_OTHERS) / _LARGEST_PAIR
        quickest = math.log((1 + _GAMMA) / _GAMMA)
        return int(self.scale_base * math.log(largest) / quickest) + 1

    def build(self, input_shape):
        self.num_pairs = self._count_pairs(input_shape[-1])

    def rotate(self, x, positions, role):
        self.check_length(x)
        num_pairs = self._count_pairs(x.shape[-1])
        sine, cosine = self.sine_cosine_of(positions, num_pairs)
        zeta = (np.arange(num_pairs) / num_pairs + _GAMMA) / (1 + _GAMMA)
        rate = np.log(zeta) / self.scale_base
        if role == "key":
            rate = -rate
        rate = ops.convert_to_tensor(rate.astype("float32"))
        positions = ops.cast(positions, "float32")[..., None, None]
        scale = ops.exp(positions * rate)
        return rotate_pairs(x, sine * scale, cosine * scale, self.interleaved)

    def sine_cosine_of(self, positions, num_pairs):
        def compute():
            # One axis for the heads, which stand behind the length.
            places = ops.expand_dims(ops.cast(positions, "int32"), -1)
            frequencies = inverse_wavelengths(num_pairs, self.base)
            return sine_cosine(places, frequencies)

        return once(positions, (id(self), num_pairs), compute)

    def _count_pairs(self, head_dim):
        return count_rotated(type(self).__name__, head_dim, self.fraction) // 2

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "scale_base": self.scale_base,
            "fraction": self.fraction,
            "interleaved": self.interleaved,
        }
