"""Fixed sinusoids added to embeddings."""

import keras
from keras import ops

from keras_attention.checks import check_number
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

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        start: integer, the position of the first row of `x`.

    Returns:
        `(batch, length, hidden_dim)` in the dtype of `x`.

    Raises:
        ValueError: if `hidden_dim` is odd.

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

    def __init__(self, base=10_000.0, **kwargs):
        super().__init__(**kwargs)
        self.base = check_number("base", base, above=1.0)

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(
                "SinusoidalEncoding needs an even hidden_dim. "
                f"Received: hidden_dim={input_shape[-1]}"
            )

    def embed(self, x, start=0):
        frequencies = inverse_wavelengths(x.shape[-1] // 2, self.base)
        start = ops.cast(start, "int32")
        positions = start + ops.arange(ops.shape(x)[1], dtype="int32")
        sine, cosine = sine_cosine(positions, frequencies)
        table = ops.concatenate([sine, cosine], axis=-1)
        # Added in float32 at least: in bfloat16 far rows of the sum fall
        # together sooner than they must.
        dtype = at_least_float32(x.dtype)
        return ops.cast(ops.cast(x, dtype) + ops.cast(table, dtype), x.dtype)

    def get_config(self):
        return {**super().get_config(), "base": self.base}
