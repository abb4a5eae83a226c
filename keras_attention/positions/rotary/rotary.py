"""Rotary position embedding."""

import keras
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
from keras_attention.positions.core.grid import check_grid, size_of
from keras_attention.positions.rotary.dynamic_ntk import ntk_turns
from keras_attention.positions.rotary.longrope import factors_of, longrope_turns
from keras_attention.positions.rotary.scaling import (
    attention_factor,
    read_scaling,
    scaled_frequencies,
)
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class RotaryEmbedding(SharesAngles, PositionalEncoding):
    """Rotates pairs of features by angles that grow with position.

    A pair `(a, b)` at position `p` becomes `(a cos - b sin, b cos + a sin)`
    of the angle `p * base ** (-i / pairs)`, so that the product of a query
    and a key depends on their distance alone. Angles are exact to 1e-5 up to
    position two million, whatever the scaling and the dtype policy.

    A `scaling` slows the rotation down for sequences longer than those of
    training. It is a dictionary of a `type` and its options:

    - `linear`: all frequencies are divided by `factor`.
    - `ntk`: the base grows with the length once that exceeds
      `original_max_length`, by `factor` (Hugging Face's `dynamic`). The
      length is the highest position of a call + 1. Later tokens change the
      rotation of early ones, so there can be no cache.
    - `yarn`: `factor` divides the frequencies of pairs that make fewer than
      `beta_slow` (1) turns in `original_max_length` positions, leaves those
      of more than `beta_fast` (32) turns, and a part of those between, from
      whole pair to whole pair if `truncate` (True). Queries and keys are
      multiplied by `attention_factor`, by default `0.1 ln(factor) + 1`; with
      `mscale` and `mscale_all_dim`, the quotient of `0.1 m ln(factor) + 1`
      for both. (DeepSeek's models also change the scale of the scores; that
      is not done here.)
    - `longrope`: `short_factors` divide the frequencies, one for each pair,
      and `long_factors` where the length exceeds `original_max_length`.
      Queries and keys are multiplied by `attention_factor`, by default
      `sqrt(1 + ln(factor) / ln(original_max_length))` with a `factor` of 1.
      Since a longer text changes the rotation of its beginning, a cache
      holds no more than `original_max_length` positions; with
      `use="long"` or `use="short"` in place of `"by_length"`, one list
      serves all lengths.
    - `llama3`, also by its name alone: `factor` (8) divides the frequencies
      of pairs that make fewer than `low_freq_factor` (1) turns in
      `original_max_length` (8192) positions, leaves those of more than
      `high_freq_factor` (4), and a part of those between.

    With `axes=2` a sequence is a grid, read by rows: the first half of the
    pairs is rotated by the row, `position // width`, the second by the
    column, `position % width`, each with the frequencies of so many pairs. A
    `start` is a place in that order, not a row. Without a `grid` the height and
    width follow from the length, the highest position of the call + 1, so
    that there can be no cache, and more padding gives other places.

    Args:
        base: the longest wavelength over two pi; `rope_theta` elsewhere.
        fraction: share of the features that is rotated, from the first on.
        interleaved: whether a pair is two neighbours (GPT-J) or one feature
            of each half (GPT-NeoX, Llama).
        scaling: None, a name, or a dictionary as above. Lengths in it count
            along an axis.
        axes: 1 for sequences, 2 for grids.
        grid: `(height, width)` for two axes; by default the nearest to a
            square that holds the sequence.

    Raises:
        ValueError: if the rotated features make no pairs for each axis, for
            options that do not fit, or a sequence longer than its grid.

    Example:

    ```python
    import keras
    from keras_attention import MultiHeadAttention, RotaryEmbedding

    scaling = {"type": "yarn", "factor": 4.0, "original_max_length": 2048}
    layer = MultiHeadAttention(
        num_heads=4, position=RotaryEmbedding(base=500000.0, scaling=scaling)
    )
    layer(keras.random.normal((2, 50, 32))).shape  # (2, 50, 32)
    ```

    Reference:
        Su et al. 2021, RoFormer, https://arxiv.org/abs/2104.09864
        Chen et al. 2023, Extending Context Window of Large Language Models
        via Positional Interpolation, https://arxiv.org/abs/2306.15595
        Peng et al. 2023, YaRN, https://arxiv.org/abs/2309.00071 (also ntk)
        Ding et al. 2024, LongRoPE, https://arxiv.org/abs/2402.13753
        Grattafiori et al. 2024, The Llama 3 Herd of Models,
        https://arxiv.org/abs/2407.21783
    """

    paper = "Su et al. 2021"

    def __init__(
        self,
        base=10_000.0,
        fraction=1.0,
        interleaved=False,
        scaling=None,
        axes=1,
        grid=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.base = check_number("base", base, above=1.0)
        self.fraction = check_number("fraction", fraction, most=1.0)
        if axes not in (1, 2) or isinstance(axes, bool):
            raise ValueError(f"axes must be 1 or 2. Received: {axes!r}")
        if grid is not None and axes == 1:
            raise ValueError(
                f"grid is for axes=2. Received: axes=1, grid={grid!r}"
            )
        self.interleaved = interleaved
        self.scaling = None if scaling is None else read_scaling(scaling)
        self.axes = int(axes)
        self.grid = None if grid is None else check_grid(grid)
        if self.grid is not None:
            self.max_length = self.grid[0] * self.grid[1]
        if axes == 2 and (self._is_dynamic or self._has_two_lists):
            raise ValueError(
                f"scaling of type {self.scaling['type']} is for axes=1; use "
                f"linear, yarn or llama3. Received: axes={axes}"
            )

    @property
    def rotates_by_any(self):
        """Whether tokens need not stand at the cells of one grid."""
        return self.axes == 1

    @property
    def _is_dynamic(self):
        return self.scaling is not None and self.scaling["type"] == "ntk"

    @property
    def _has_two_lists(self):
        """Whether the length chooses between two lists of factors."""
        return (self.scaling or {}).get("use") == "by_length"

    @property
    def max_cached_length(self):
        """How long a cache may be: up to where the factors are others."""
        if self._has_two_lists:
            return self.scaling["original_max_length"]
        return None

    @property
    def supports_cache(self):
        """Whether angles do without the length of the whole sequence."""
        needs_width = self.axes == 2 and self.grid is None
        return not (self._is_dynamic or needs_width)

    @property
    def instead_of_cache(self):
        """What the refusal of a cache proposes."""
        if self._is_dynamic:
            return "use scaling of type yarn, linear or llama3, not ntk"
        if self._has_two_lists:
            return 'give its scaling use="long", or use="short"'
        return "give it a grid=(height, width)"

    def build(self, input_shape):
        pairs = self._count_pairs(input_shape[-1])
        self.num_pairs = pairs
        if self._has_two_lists:
            for use in ("short", "long"):
                factors_of(self.scaling, use, pairs)
        if self._is_dynamic and pairs < 2:
            raise ValueError(
                "scaling of type ntk needs two pairs of features or more. "
                f"Received: head_dim={input_shape[-1]}, "
                f"fraction={self.fraction}"
            )

    def rotate(self, x, positions, role):
        self.check_length(x)
        num_pairs = self._count_pairs(x.shape[-1])
        sine, cosine = self.sine_cosine_of(positions, num_pairs)
        return rotate_pairs(x, sine, cosine, self.interleaved)

    def sine_cosine_of(self, positions, num_pairs):
        """Gives `(..., length, 1, num_pairs)`, once for queries and keys."""

        def compute():
            tables = [
                # One axis for the heads, which stand behind the length.
                sine_cosine(ops.expand_dims(places, -1), frequencies)
                for places, frequencies in self._axes(
                    positions, num_pairs // self.axes
                )
            ]
            sine, cosine = tables[0]
            if self.axes == 2:
                sine, cosine = (
                    ops.concatenate(parts, axis=-1)
                    for parts in zip(*tables, strict=True)
                )
            if self.scaling is None:
                return sine, cosine
            factor = attention_factor(self.scaling)
            return sine * factor, cosine * factor

        return once(positions, (id(self), num_pairs), compute)

    def _axes(self, positions, num_pairs):
        """Gives places `(..., length)` and frequencies for each axis."""
        positions = ops.cast(positions, "int32")
        frequencies = inverse_wavelengths(num_pairs, self.base)
        if self._is_dynamic or self._has_two_lists:
            find = ntk_turns if self._is_dynamic else longrope_turns
            turns = find(_length(positions), frequencies, self.scaling)
            # They are those of all positions and of all heads.
            return [(positions, turns.map(lambda x: x[..., None, None, :]))]
        if self.scaling is not None:
            frequencies = scaled_frequencies(num_pairs, self.base, self.scaling)
        if self.axes == 1:
            return [(positions, frequencies)]
        if self.grid is None:
            _, width = size_of(_length(positions))
            if ops.is_tensor(width):
                width = width[..., None]
        else:
            width = self.grid[1]
        places = (positions // width, positions % width)
        return [(place, frequencies) for place in places]

    def _count_pairs(self, head_dim):
        name, multiple = type(self).__name__, 2 * self.axes
        return count_rotated(name, head_dim, self.fraction, multiple) // 2

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "fraction": self.fraction,
            "interleaved": self.interleaved,
            "scaling": self.scaling and dict(self.scaling),
            "axes": self.axes,
            "grid": self.grid,
        }


def _length(positions):
    """The length of the sequences that `(..., length)` are the end of."""
    return ops.max(positions, axis=-1, initial=0) + 1


def count_rotated(name, head_dim, fraction, multiple=2):
    """Counts the features that are rotated, the first of a head.

    Args:
        name: what the encoding is called in the error message.
        head_dim: integer.
        fraction: the share that is rotated.
        multiple: integer of which the count must be a multiple.

    Raises:
        ValueError: if it is not, or 0.
    """
    rotated = int(head_dim * fraction)
    if rotated % multiple or rotated == 0:
        expected = {2: "even", 4: "a multiple of 4, two axes having pairs"}
        raise ValueError(
            f"{name} rotates pairs: head_dim * fraction must be positive and "
            f"{expected[multiple]}. Received: head_dim={head_dim}, "
            f"fraction={fraction}"
        )
    return rotated
