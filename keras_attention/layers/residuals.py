"""Residual paths by name, and those that came after pre- and post-norm."""

import keras

from keras_attention.layers.residual import PostNorm, PreNorm, Residual
from keras_attention.registry import PACKAGE, resolve


@keras.saving.register_keras_serializable(package=PACKAGE)
class OutputNorm(Residual):
    """Normalizes what a part returns: x + norm(part(x)).

    Args: as of `Residual`.

    Reference:
        Liu et al. 2021, Swin Transformer V2 (res-post-norm),
        https://arxiv.org/abs/2111.09883;
        OLMo Team 2024, 2 OLMo 2 Furious, https://arxiv.org/abs/2501.00656

    Example:

    ```python
    from keras_attention import OutputNorm, TransformerDecoder

    decoder = TransformerDecoder(
        100, 2, 32, 4, residual=OutputNorm(normalization="rms_norm")
    )
    ```
    """

    def norm_names(self):
        return [f"{part}_output_norm" for part in self.parts]

    def after(self, part, x, output, training=None):
        output = self.norm(f"{part}_output_norm")(output)
        return super().after(part, x, output, training)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SandwichNorm(Residual):
    """Normalizes what a part is given and returns: x + norm(part(norm(x))).

    Args: as of `Residual`.

    Reference:
        Ding et al. 2021, CogView, https://arxiv.org/abs/2105.13290;
        Gemma Team 2024, Gemma 2, https://arxiv.org/abs/2408.00118

    Example:

    ```python
    from keras_attention import SandwichNorm, TransformerDecoder

    decoder = TransformerDecoder(
        100, 2, 32, 4, residual=SandwichNorm(normalization="rms_norm")
    )
    ```
    """

    def norm_names(self):
        kinds = ("norm", "output_norm")
        return [f"{part}_{kind}" for part in self.parts for kind in kinds]

    def before(self, part, x, shared):
        return self.norm(f"{part}_norm")(x)

    def after(self, part, x, output, training=None):
        output = self.norm(f"{part}_output_norm")(output)
        return super().after(part, x, output, training)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ParallelResidual(Residual):
    """Gives all parts what enters the block: x + f(norm(x)) + g(norm(x)).

    Args: as of `Residual`, and
        shared_norm: whether one normalization serves all parts (GPT-J,
            Cohere, Falcon 7B), or each has its own (GPT-NeoX, Falcon 40B).

    Reference:
        Wang, Komatsuzaki 2021, GPT-J-6B,
        https://github.com/kingoflolz/mesh-transformer-jax;
        Black et al. 2022, GPT-NeoX-20B, https://arxiv.org/abs/2204.06745;
        Almazrouei et al. 2023, The Falcon Series of Open Language Models,
        https://arxiv.org/abs/2311.16867

    Example:

    ```python
    from keras_attention import ParallelResidual, TransformerDecoder

    gpt_j = TransformerDecoder(100, 2, 32, 4, residual="parallel")
    gpt_neox = TransformerDecoder(
        100, 2, 32, 4, residual=ParallelResidual(shared_norm=False)
    )
    ```
    """

    def __init__(
        self,
        parts=("attention", "feed_forward"),
        *,
        shared_norm=True,
        **kwargs,
    ):
        self.shared_norm = shared_norm  # before the norms are named
        super().__init__(parts, **kwargs)

    def norm_names(self):
        if self.shared_norm:
            return ["input_norm"]
        return [f"{part}_norm" for part in self.parts]

    def start(self, x):
        return self.norm("input_norm")(x) if self.shared_norm else x

    def before(self, part, x, shared):
        return shared if self.shared_norm else self.norm(f"{part}_norm")(shared)

    def after(self, part, x, output, training=None):
        if part == self.parts[0]:
            return super().after(part, x, output, training)
        # What enters the block is in the sum, and scaled, already.
        return x + self.branch(part, output, training)

    def get_config(self):
        return {**super().get_config(), "shared_norm": self.shared_norm}


_CLASSES = {
    "pre_norm": PreNorm,
    "post_norm": PostNorm,
    "sandwich_norm": SandwichNorm,
    "output_norm": OutputNorm,
    "parallel": ParallelResidual,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt residual path.

    Args:
        name_config_or_layer: `"pre_norm"`, `"post_norm"`, `"sandwich_norm"`,
            `"output_norm"`, `"parallel"`, a configuration, or a `Residual`
            that serves as the template.
        **defaults: constructor arguments for what is left open.

    Returns:
        A `Residual`.

    Raises:
        ValueError: for an unknown name or a layer of another kind.
    """
    layer = resolve(name_config_or_layer, _CLASSES, "residual", defaults)
    if not isinstance(layer, Residual):
        raise ValueError(
            f"Expected a Residual as residual. Received: {type(layer).__name__}"
        )
    return layer
