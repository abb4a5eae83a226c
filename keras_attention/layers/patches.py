"""Images as sequences of patches."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE, Template
from keras_attention.tensors import known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class PatchEmbedding(Template, keras.layers.Layer):
    """Cuts images into patches and projects each to a vector.

    The patches stand row by row, so that encodings and flavours of grids find
    them where they expect them: `TransformerEncoder(None, 6, 256, 8,
    embedding=PatchEmbedding(4, 256), position=RotaryEmbedding(axes=2))`. Those
    take the grid for a square; of other images tell them the real one, with
    `grid=embedding.grid(height, width)`. What is left over at the right and
    the bottom of an image is padded with zeros; patches that overlap also
    reach over its edges by half of what they share.

    Args:
        patch_size: integer, or `(height, width)` in pixels.
        hidden_dim: integer, width of the vectors.
        channels: integer, numbers of a pixel.
        class_token: whether a learned vector stands before the patches, for
            `pooling="first"`. It is not a cell of the grid.
        distillation_token: whether another learned vector stands behind the
            class token (Touvron et al. 2021).
        image_size: integer, or `(height, width)` in pixels, where all images
            have one size, for example by their positions; None for any.
        stride: integer, or `(height, width)`: pixels from one patch to the
            next, `patch_size` by default. Fewer let them overlap, which helps
            where data is scarce (Hassani et al. 2021).

    Call arguments:
        inputs: images `(batch, height, width, channels)`, or without the last
            axis for one channel.

    Returns:
        `(batch, patches, hidden_dim)`, or one more with a class token, and
        with a distillation token.

    Raises:
        ValueError: if a size is no positive integer, `stride` larger than
            `patch_size`, a distillation token stands without a class token,
            or images have another size or number of channels.

    Example:

    ```python
    import keras
    from keras_attention import PatchEmbedding

    layer = PatchEmbedding(patch_size=4, hidden_dim=32, channels=3)
    images = keras.random.normal((2, 28, 28, 3))
    layer(images).shape  # (2, 49, 32)
    layer.grid(28, 28)  # (7, 7)
    ```

    Reference:
        Dosovitskiy et al. 2021, An Image is Worth 16x16 Words,
        https://arxiv.org/abs/2010.11929;
        Hassani et al. 2021, Escaping the Big Data Paradigm with Compact
        Transformers, https://arxiv.org/abs/2104.05704 (overlap);
        Touvron et al. 2021, Training Data-Efficient Image Transformers &
        Distillation through Attention, https://arxiv.org/abs/2012.12877
        (distillation token)
    """

    def __init__(
        self,
        patch_size,
        hidden_dim,
        channels=1,
        class_token=False,
        stride=None,
        distillation_token=False,
        image_size=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("hidden_dim", hidden_dim)
        check_integer("channels", channels)
        self.patch_size = pair("patch_size", patch_size)
        if stride is None:
            stride = self.patch_size
        self.stride = pair("stride", stride)
        if any(
            step > size
            for step, size in zip(self.stride, self.patch_size, strict=True)
        ):
            raise ValueError(
                "stride must not leave out pixels between patches. Received: "
                f"stride={stride!r}, patch_size={patch_size!r}"
            )
        self.hidden_dim = hidden_dim
        self.channels = channels
        if distillation_token and not class_token:
            raise ValueError(
                "A distillation token stands behind a class token. Received: "
                "distillation_token=True, class_token=False"
            )
        if image_size is not None:
            image_size = pair("image_size", image_size)
        self.class_token = class_token
        self.distillation_token = distillation_token
        self.image_size = image_size

    @property
    def known_shape(self):
        """The shape to build with before any call."""
        return (None, *(self.image_size or (None, None)), self.channels)

    @property
    def num_class_tokens(self):
        """How many learned vectors stand before the patches."""
        return int(self.class_token) + int(self.distillation_token)

    def build(self, input_shape=None):
        height, width = self.patch_size
        self.dense = keras.layers.Dense(
            self.hidden_dim, name="projection", dtype=self.dtype_policy
        )
        self.dense.build((None, None, height * width * self.channels))
        if self.class_token:
            self.token = self._vector("class_token")
        if self.distillation_token:
            self.second_token = self._vector("distillation_token")

    def _vector(self, name):
        return self.add_weight(
            name=name,
            shape=(1, self.hidden_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, inputs, training=None):
        images = as_images(inputs, self.channels, self.compute_dtype)
        x = self.dense(self._patches(images))
        if not self.class_token:
            return x
        tokens = [self.token]
        if self.distillation_token:
            tokens.append(self.second_token)
        tokens = [ops.cast(ops.convert_to_tensor(t), x.dtype) for t in tokens]
        tokens = [
            ops.broadcast_to(t, (ops.shape(x)[0], *t.shape)) for t in tokens
        ]
        return ops.concatenate([*tokens, x], axis=1)

    def grid(self, height, width):
        """Counts the patches of an image: `(rows, columns)`."""
        for size, given in zip(
            self.image_size or (), (height, width), strict=False
        ):
            if known_integer(given) not in (None, size):
                raise ValueError(
                    f"Images must have {self.image_size[0]} x "
                    f"{self.image_size[1]} pixels. Received: {height} x {width}"
                )
        return -(-height // self.stride[0]), -(-width // self.stride[1])

    def _patches(self, images):
        """Cuts up images: `(batch, patches, numbers of a patch)`."""
        shape = ops.shape(images)
        grid = self.grid(shape[1], shape[2])
        x, sides = images, [(0, 0)]
        for count, step, size, length in zip(
            grid, self.stride, self.patch_size, shape[1:3], strict=True
        ):
            before = (size - step) // 2
            sides.append((before, (count - 1) * step + size - length - before))
        # Of images whose size the graph does not know they are tensors.
        if any(type(pixels) is not int or pixels for pixels in sum(sides, ())):
            x = ops.pad(x, [*sides, (0, 0)])
        height, width = self.patch_size
        if self.stride == self.patch_size:
            x = ops.reshape(
                x, (shape[0], grid[0], height, grid[1], width, self.channels)
            )
        else:
            x = ops.take(x, _places(grid[0], self.stride[0], height), axis=1)
            x = ops.take(x, _places(grid[1], self.stride[1], width), axis=3)
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        numbers = height * width * self.channels
        return ops.reshape(x, (shape[0], grid[0] * grid[1], numbers))

    def padding_mask(self, inputs):
        """None: every patch counts."""
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "patch_size": list(self.patch_size),
            "hidden_dim": self.hidden_dim,
            "channels": self.channels,
            "class_token": self.class_token,
            "stride": list(self.stride),
            "distillation_token": self.distillation_token,
            "image_size": self.image_size and list(self.image_size),
        }


def pair(name, sizes):
    """Gives the two sizes that an integer or a pair stands for.

    Args:
        name: of the argument, for messages.
        sizes: integer, or `(height, width)`.

    Returns:
        `(height, width)`.

    Raises:
        ValueError: for anything else, or a size that is not positive.
    """
    if not isinstance(sizes, (list, tuple)):
        sizes = (sizes, sizes)
    if len(sizes) != 2:
        raise ValueError(
            f"{name} must be an integer or (height, width). Received: {sizes!r}"
        )
    return tuple(check_integer(name, size) for size in sizes)


def _places(count, stride, size):
    """Where the numbers of patches stand along an axis: `(count, size)`."""
    return ops.arange(count)[:, None] * stride + ops.arange(size)


def as_images(images, channels, dtype):
    """Gives images an axis for their channels and the dtype of a layer.

    Args:
        images: `(batch, height, width, channels)`, or without the last axis
            for one channel.
        channels: integer.
        dtype: of the result.

    Returns:
        `(batch, height, width, channels)`.

    Raises:
        ValueError: for another shape.
    """
    images = ops.convert_to_tensor(images)
    if channels == 1 and len(images.shape) == 3:
        images = images[..., None]
    if len(images.shape) == 4 and images.shape[-1] is None:
        images = ops.reshape(images, (*ops.shape(images)[:3], channels))
    if len(images.shape) != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images must have the shape (batch, height, width, {channels}). "
            f"Received: {tuple(images.shape)}"
        )
    return ops.cast(images, dtype)
