"""What encoders of images have: patches, and positions on a grid."""

from typing import NamedTuple

import numpy as np

from keras_attention.layers.patches import pair
from keras_attention.zoo.core import arguments
from keras_attention.zoo.core.tensors import Batched, Binding, same

VIT_DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "qkv_bias": True,
}
# What models that fill in masked patches have beside.
VIT_PASSED_OVER = ("decoder.*", "embeddings.mask_token")

# What `torch.nn.functional.interpolate` takes for bicubic.
_CUBIC = -0.75


class Convolution(NamedTuple):
    """A convolution over patches, here the projection of a `PatchEmbedding`.

    Attributes:
        module: its name; its weight is `(out, in, height, width)`.
    """

    module: str

    def bind(self, layer):
        """Pairs its tensors with the weights of a `PatchEmbedding`."""
        kernel, bias = layer.dense._kernel, layer.dense.bias
        shape = (*layer.patch_size, layer.channels, layer.hidden_dim)
        weight = Binding(
            f"{self.module}.weight",
            tuple(shape[axis] for axis in (3, 2, 0, 1)),
            [kernel],
            lambda tensor: [tensor.transpose(2, 3, 1, 0).reshape(kernel.shape)],
            lambda arrays: arrays[0].reshape(shape).transpose(3, 2, 0, 1),
        )
        return [weight, same(bias, f"{self.module}.bias")]


class GridPositions(NamedTuple):
    """A vector for each cell of a grid, behind those of other tokens.

    Attributes:
        name: of the tensor, `(1, tokens + cells, dim)`.
        tokens: integer, rows that belong to no cell.
        stored: `(rows, columns)` of the grid in the file.
        grid: that of the model, to which the vectors are interpolated.
    """

    name: str
    tokens: int
    stored: tuple
    grid: tuple

    def bind(self, weight):
        """Pairs it with the table of a `LearnedEncoding`."""
        dim = weight.shape[-1]
        binding = same(weight, self.name)
        rows = self.tokens + self.stored[0] * self.stored[1]

        def split(tensor):
            tensor = tensor.reshape(rows, dim)
            if self.grid == self.stored:
                return [tensor]
            first, cells = np.split(tensor, [self.tokens])
            cells = cells.reshape(*self.stored, dim)
            cells = bicubic(cells, self.grid).reshape(-1, dim)
            return [np.concatenate([first, cells])]

        return [binding._replace(shape=(1, rows, dim), split=split)]


def bicubic(x, grid):
    """Interpolates as PyTorch does, without smoothing before.

    Args:
        x: floats `(rows, columns, dim)`.
        grid: `(rows, columns)` of the result.

    Returns:
        Floats `(*grid, dim)` in the dtype of `x`.
    """
    down, right = (
        _weights(old, new) for old, new in zip(x.shape, grid, strict=False)
    )
    found = np.einsum("yr,xc,rcd->yxd", down, right, x.astype("float64"))
    return found.astype(x.dtype)


def _weights(old, new):
    """How much each of the old rows counts in each new one: `(new, old)`."""
    # The middle of a row is half a row behind its edge.
    places = (np.arange(new) + 0.5) * old / new - 0.5
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        row = np.floor(places).astype(int) + tap
        distance = np.abs(places - row)
        near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
        far = ((distance - 5) * distance + 8) * distance - 4
        weight = np.where(distance <= 1, near, _CUBIC * far)
        # Rows beyond an edge are copies of the last.
        np.add.at(weights, (np.arange(new), row.clip(0, old - 1)), weight)
    return weights


def grid(c, image_size):
    """The grid of patches of an image.

    Args:
        c: a `Configuration`.
        image_size: integer, or `[height, width]`.

    Returns:
        `(rows, columns)`.

    Raises:
        ValueError: if the image has no whole number of patches.
    """
    image = pair("image_size", image_size)
    patch = pair("patch_size", c.patch_size)
    if image[0] % patch[0] or image[1] % patch[1]:
        raise ValueError(
            f"{c.name} has image_size={image_size}, which is no multiple of "
            f"patch_size={c.patch_size}."
        )
    return image[0] // patch[0], image[1] // patch[1]


def vit(c, tokens=1):
    """The arguments of an encoder as ViT's, and of a classifier.

    Args:
        c: a `Configuration`.
        tokens: integer, 2 with a distillation token.

    Returns:
        Dictionary from the names of parts to their arguments.
    """
    rows, columns = grid(c, c.image_size)
    embedding = arguments.part(
        "patches",
        patch_size=c.patch_size,
        hidden_dim=c.hidden_size,
        channels=c.num_channels,
        class_token=True,
        distillation_token=tokens == 2,
        image_size=c.image_size,
    )
    projections = ["query", "key", "value"] if c.qkv_bias else []
    attention = arguments.attention(
        c, use_bias=[*projections, "output"], head_dim=c.get("head_dim")
    )
    encoder = arguments.model(
        c,
        attention=attention,
        feed_forward=arguments.feed_forward(c),
        normalization=arguments.layer_norm(c),
        embedding=embedding,
        position=arguments.part("learned", max_length=tokens + rows * columns),
    )
    return {
        "encoder": encoder,
        "classifier": {
            **arguments.classes(c),
            "pooling": "first",
            "dropout": 0.0,
        },
    }


def vit_tensors(c, tokens=1):
    """The table of tensors that goes with `vit`."""
    positions = GridPositions(
        "embeddings.position_embeddings",
        tokens,
        stored=grid(c, c.stored("image_size")),
        grid=grid(c, c.image_size),
    )
    return {
        "embedding": Convolution("embeddings.patch_embeddings.projection"),
        "embedding.token": Batched("embeddings.cls_token"),
        "embedding.second_token": Batched("embeddings.distillation_token"),
        "position.table": positions,
        "final_norm": "layernorm",
        **arguments.blocks(
            "encoder.layer.{i}.",
            query="attention.attention.query",
            key="attention.attention.key",
            value="attention.attention.value",
            output="attention.output.dense",
            attention_norm="layernorm_before",
            up="intermediate.dense",
            down="output.dense",
            feed_forward_norm="layernorm_after",
        ),
    }
