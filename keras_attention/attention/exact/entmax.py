"""Sparse attention by entmax: sparsemax, 1.5-entmax and between."""

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.checks import is_real
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_traced_by_torch

_MOST_STEPS = 50
# A step below this is left to the last one, which is quadratic in it.
_SMALLEST_STEP = {"float32": 1e-6, "float64": 1e-12}


@keras.saving.register_keras_serializable(package=PACKAGE)
class EntmaxAttention(ScoredAttention):
    """Attends with weights that can be exactly zero: entmax(QK' / sqrt(d)) V.

    The weights of a query are those that maximize p's + H(p), where H is
    Tsallis' entropy: p_i = max((alpha - 1) s_i - t, 0) ** (1 / (alpha - 1)),
    with the threshold t for which they sum to one. `alpha` 1 would be softmax,
    2 is sparsemax, the nearest point of the simplex. The larger it is, the
    fewer keys have any weight.

    The threshold is found by Newton's method, which takes a few passes over
    the scores, instead of by sorting them.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        alpha: float, more than 1 and at most 2.
        query_block_size: `"auto"`, an integer or None; see `ScoredAttention`.
        use_bias, dropout, position, kernel_initializer, seed: see `Attention`.

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
        ValueError: if `alpha` lies outside, or for call arguments that
            exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import EntmaxAttention

    layer = EntmaxAttention(num_heads=4, alpha=2.0)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    weights = layer.attention_weights(x)  # many of them are exactly zero
    weights.shape  # (2, 4, 50, 50)
    ```

    Reference:
        Martins, Astudillo 2016, From Softmax to Sparsemax,
        https://arxiv.org/abs/1602.02068;
        Peters et al. 2019, Sparse Sequence-to-Sequence Models (entmax),
        https://arxiv.org/abs/1905.05702;
        Correia et al. 2019, Adaptively Sparse Transformers (in attention),
        https://arxiv.org/abs/1909.00015
    """

    paper = "Martins et al. 2016; Peters et al. 2019"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        alpha=1.5,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if not is_real(alpha) or not 1.0 < alpha <= 2.0:
            raise ValueError(
                "alpha must lie in (1, 2]; alpha=1 is softmax, use "
                f"MultiHeadAttention for it. Received: alpha={alpha!r}"
            )
        self.alpha = alpha

    def weigh(self, scores, mask, visible):
        return entmax(softmax.add_mask(scores, mask), self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


def entmax(scores, alpha):
    """Computes entmax over the last axis.

    Args:
        scores: `(..., length)` in float32 or float64.
        alpha: float in (1, 2].

    Returns:
        A tensor of the same shape, whose rows sum to one.
    """
    power = 1.0 / (alpha - 1.0)
    scores = scores * (alpha - 1.0)
    highest = ops.max(scores, axis=-1, keepdims=True)
    scores = scores - ops.stop_gradient(highest)
    near = _find_threshold(ops.stop_gradient(scores), power)
    # One step more, and this one is differentiated: from the threshold its
    # gradient is that of the equation which the threshold solves.
    above, sums, slopes = _sums(scores, near, power)
    step = (sums - 1.0) / ops.stop_gradient(power * slopes)
    return _raise(ops.relu(scores - (near + step)), power)


def _find_threshold(scores, power):
    """Gives t `(..., 1)` such that sum of max(scores - t, 0) ** power is 1.

    The norm of max(scores - t, 0) is convex and falls with t, so that steps
    from the left never pass the solution. (With `power` 1 they are
    Michelot's projections.)

    Args:
        scores: `(..., length)`, the highest of each row 0.
        power: float of 1 or more.
    """
    smallest = _SMALLEST_STEP[keras.backend.standardize_dtype(scores.dtype)]

    def advance(threshold, moves):
        _, sums, slopes = _sums(scores, threshold, power)
        step = (sums - sums ** (1.0 - 1.0 / power)) / slopes
        # Rows that have arrived stay, so that no row depends on another.
        step = ops.where(step > smallest, step, 0.0)
        return threshold + step, ops.any(step > 0.0)

    # What torch traces does as many steps for all inputs.
    every_step = is_traced_by_torch()
    first = ops.zeros_like(scores[..., :1]) - 1.0
    threshold, _ = ops.while_loop(
        lambda _, moves: every_step or moves,
        advance,
        (first, ops.convert_to_tensor(True)),
        maximum_iterations=_MOST_STEPS,
    )
    return threshold


def _sums(scores, threshold, power):
    """Gives u = max(scores - t, 0), sum of u^power, sum of u^(power - 1)."""
    above = ops.relu(scores - threshold)
    sums = ops.sum(_raise(above, power), axis=-1, keepdims=True)
    if power == 1.0:
        fewer = ops.cast(above > 0.0, above.dtype)
    else:
        fewer = _raise(above, power - 1.0)
    return above, sums, ops.sum(fewer, axis=-1, keepdims=True)


def _raise(x, power):
    if power == 1.0:
        return x
    return ops.square(x) if power == 2.0 else x**power
