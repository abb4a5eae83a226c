"""Fixed sinusoids added to embeddings."""

import keras
from keras import ops

from keras_attention.checks import check_integer, check_number
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.angles import (
    inverse_wavelengths,
    sine_cosine,
)
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class SinusoidalEncoding(PositionalEncoding):
    """Adds sines and cosines of geometrically spaced frequencies.

    Row `p` is `[sin(p w_0), ..., sin(p w_k), cos(p w_0), ..., cos(p w_k)]`
    with `w_i = base ** (-i / (k + 1))`. The paper interleaves sines and
    cosines; the halves used here, as in the authors' own code, hold the same
    numbers in another order.

    Args:
        base: the longest wavelength over two pi.
        interleaved: whether sines and cosines take turns, as in the paper.
        endpoint: whether the last wavelength is the longest one itself:
            `w_i = base ** (-i / k)`, as in tensor2tensor, fairseq and M2M100.
        offset: integer added to every position.
        skips_padding: whether a model counts positions over tokens alone,
            and gives padding that before the first (M2M100); takes an
            `offset`.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        start: integer, the position of the first row of `x`.
        positions: integers `(batch, length)`, in place of `start`.

    Returns:
        `(batch, length, hidden_dim)` in the dtype of `x`.

    Raises:
        ValueError: if `hidden_dim` is odd, or 2 with an `endpoint`.

    Example:

    ```python
    import keras
    from keras_attention import SinusoidalEncoding

    layer = SinusoidalEncoding()
    layer(keras.random.normal((2, 50, 32))).shape  # (2, 50, 32)
    ```

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762
    """

    paper = "Vaswani et al. 2017"

    def __init__(
        self,
        base=10_000.0,
        interleaved=False,
        endpoint=False,
        offset=0,
        skips_padding=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.base = check_number("base", base, above=1.0)
        self.interleaved = interleaved
        self.endpoint = endpoint
        self.offset = check_integer("offset", offset, int(skips_padding))
        self.skips_padding = skips_padding

    def build(self, input_shape):
        smallest = 4 if self.endpoint else 2
        if input_shape[-1] % 2 or input_shape[-1] < smallest:
            raise ValueError(
                f"SinusoidalEncoding needs an even hidden_dim of {smallest} or "
                f"more. Received: hidden_dim={input_shape[-1]}"
            )

    def call(self, x, start=0, positions=None):
        return self.embed(x, start=start, positions=positions)

    def embed(self, x, start=0, positions=None):
        num_pairs, base = x.shape[-1] // 2, self.base
        if self.endpoint:
            base = base ** (num_pairs / (num_pairs - 1))
        frequencies = inverse_wavelengths(num_pairs, base)
        if positions is None:
            start = ops.cast(start, "int32")
            positions = start + ops.arange(ops.shape(x)[1], dtype="int32")
        sine, cosine = sine_cosine(
            ops.cast(positions, "int32") + self.offset, frequencies
        )
        if self.interleaved:
            table = ops.stack([sine, cosine], axis=-1)
            table = ops.reshape(table, (*ops.shape(sine)[:-1], 2 * num_pairs))
        else:
            table = ops.concatenate([sine, cosine], axis=-1)
        # Added in float32 at least: in bfloat16 far rows of the sum fall
        # together sooner than they must.
        dtype = at_least_float32(x.dtype)
        return ops.cast(ops.cast(x, dtype) + ops.cast(table, dtype), x.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "interleaved": self.interleaved,
            "endpoint": self.endpoint,
            "offset": self.offset,
            "skips_padding": self.skips_padding,
        }
