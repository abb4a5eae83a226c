"""Residual paths: where the normalizations and sums of a block stand."""

import keras

from keras_attention.attention.core import normalization as normalizations
from keras_attention.checks import check_number
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.registry import PACKAGE, Template, describe


@keras.saving.register_keras_serializable(package=PACKAGE)
class Residual(Template, keras.layers.Layer):
    """Base of residual paths: x + part(x) for each part of a block.

    It holds the normalizations and dropouts of a block and says where they
    stand. A block calls it so, `part` being the name of one of its parts:

    ```python
    shared = residual.start(x)
    output = attention(residual.before("attention", x, shared))
    x = residual.after("attention", x, output, training)
    output = feed_forward(residual.before("feed_forward", x, shared))
    x = residual.after("feed_forward", x, output, training)
    ```

    A path of your own overrides `before`, `after` or `start`, and
    `norm_names` if it normalizes. One with weights makes them in `build`,
    after `super().build(input_shape)`.

    Args:
        parts: names of the parts of the block, in their order. The block
            fills in these, the normalization and the dropout.
        normalization: name, configuration or template, made anew for each
            place.
        dropout: float, share of what a part adds that is dropped in training.
        residual_scale: float, factor of `x` in the sums: `alpha` of DeepNorm.
        branch_scale: float, factor of what a part adds: the
            `residual_multiplier` of Granite.

    Raises:
        ValueError: if a number is out of its range or a name is unknown.

    Reference:
        He et al. 2015, Deep Residual Learning for Image Recognition,
        https://arxiv.org/abs/1512.03385;
        Wang et al. 2022, DeepNet (residual_scale),
        https://arxiv.org/abs/2203.00555;
        IBM Granite Team 2024, Granite 3.0 Language Models (branch_scale)

    Example:

    ```python
    import keras
    from keras_attention import Residual, TransformerEncoder

    @keras.saving.register_keras_serializable(package="mine")
    class ReZero(Residual):  # Bachlechner et al. 2020, arXiv:2003.04887
        def build(self, input_shape):
            super().build(input_shape)
            self.alpha = self.add_weight(shape=(), initializer="zeros")

        def after(self, part, x, output, training=None):
            return super().after(part, x, self.alpha * output, training)

    encoder = TransformerEncoder(100, 2, 32, 4, residual=ReZero())
    encoder(keras.ops.ones((2, 50), "int32")).shape  # (2, 50, 32)
    ```
    """

    ends_normalized = False  # whether the last sum of a block is normalized

    def __init__(
        self,
        parts=("attention", "feed_forward"),
        *,
        normalization="layer_norm",
        dropout=0.0,
        residual_scale=1.0,
        branch_scale=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.parts = tuple(parts)
        self.normalization = describe(normalization)
        self.dropout = dropout
        self.residual_scale = check_number("residual_scale", residual_scale)
        self.branch_scale = check_number("branch_scale", branch_scale)
        policy = {"dtype": self.dtype_policy}
        self._norm_names = self.norm_names()
        self.norms = Parts(
            normalizations.get(normalization, name=name, **policy)
            for name in self._norm_names
        )
        self.dropouts = Parts(
            make_dropout(dropout, **policy) for _ in self.parts
        )

    def norm_names(self):
        """Names of the normalizations that are made; none by default.

        The constructor asks for them, so a path whose names depend on an
        option of its own sets that before `super().__init__`.
        """
        return []

    def norm(self, name):
        """Finds a normalization by its name."""
        return self.norms[self._norm_names.index(name)]

    def build(self, input_shape):
        for norm in self.norms:
            if not norm.built:
                norm.build(input_shape)

    def start(self, x):
        """Computes once what all parts use; what enters the block by default.

        Args:
            x: `(batch, length, hidden_dim)`, what enters the block.

        Returns:
            `(batch, length, hidden_dim)`, the `shared` of `before`.
        """
        return x

    def before(self, part, x, shared):
        """Gives what a part is called with.

        Args:
            part: name of the part.
            x: `(batch, length, hidden_dim)`, the sum so far.
            shared: what `start` returned.

        Returns:
            `(batch, length, hidden_dim)`.
        """
        return x

    def after(self, part, x, output, training=None):
        """Adds what a part returned to the sum so far.

        Args:
            part: name of the part.
            x: `(batch, length, hidden_dim)`, the sum so far.
            output: `(batch, length, hidden_dim)`, what the part returned.
            training: whether to apply dropout.

        Returns:
            `(batch, length, hidden_dim)`.
        """
        if self.residual_scale != 1:
            x = x * self.residual_scale
        return x + self.branch(part, output, training)

    def branch(self, part, output, training=None):
        """Applies dropout and `branch_scale` to what is added.

        Args: as of `after`, without `x`.

        Returns:
            `(batch, length, hidden_dim)`.
        """
        dropout = self.dropouts[self.parts.index(part)]
        output = dropout(output, training=training)
        return output if self.branch_scale == 1 else output * self.branch_scale

    def get_config(self):
        return {
            **super().get_config(),
            "parts": list(self.parts),
            "normalization": self.normalization,
            "dropout": self.dropout,
            "residual_scale": self.residual_scale,
            "branch_scale": self.branch_scale,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class PreNorm(Residual):
    """Normalizes what a part is given: x + part(norm(x)).

    Args: as of `Residual`.

    Reference:
        Xiong et al. 2020, On Layer Normalization in the Transformer
        Architecture, https://arxiv.org/abs/2002.04745

    Example:

    ```python
    from keras_attention import PreNorm, TransformerDecoder

    granite = PreNorm(branch_scale=0.22)
    decoder = TransformerDecoder(
        100, 2, 32, 4, residual=granite, normalization="rms_norm"
    )
    ```
    """

    def norm_names(self):
        return [f"{part}_norm" for part in self.parts]

    def before(self, part, x, shared):
        return self.norm(f"{part}_norm")(x)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PostNorm(Residual):
    """Normalizes each sum: norm(x + part(x)).

    Args: as of `Residual`.

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762;
        Wang et al. 2022, DeepNet (with residual_scale),
        https://arxiv.org/abs/2203.00555

    Example:

    ```python
    from keras_attention import PostNorm, TransformerEncoder

    deep_norm = PostNorm(residual_scale=(2 * 6) ** 0.25)  # of 6 layers
    encoder = TransformerEncoder(100, 6, 32, 4, residual=deep_norm)
    ```
    """

    ends_normalized = True

    def norm_names(self):
        return [f"{part}_norm" for part in self.parts]

    def after(self, part, x, output, training=None):
        total = super().after(part, x, output, training)
        return self.norm(f"{part}_norm")(total)
