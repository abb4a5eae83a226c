"""Images as sequences of patches."""

import keras
from keras import ops

from keras_attention.positions.checks import check_integer
from keras_attention.registry import PACKAGE, Template


@keras.saving.register_keras_serializable(package=PACKAGE)
class PatchEmbedding(Template, keras.layers.Layer):
    """Cuts images into patches and projects each to a vector.

    The patches stand row by row, so that encodings and flavours of grids find
    them where they expect them: `TransformerEncoder(None, 6, 256, 8,
    embedding=PatchEmbedding(4, 256), position=RotaryEmbedding(axes=2))`.
    What is left over at the right and the bottom of an image is padded with
    zeros.

    Args:
        patch_size: integer, or `(height, width)` in pixels.
        hidden_dim: integer, width of the vectors.
        channels: integer, numbers of a pixel.
        class_token: whether a learned vector stands before the patches, for
            `pooling="first"`. It is not a cell of the grid.

    Call arguments:
        inputs: images `(batch, height, width, channels)`, or without the last
            axis for one channel.

    Returns:
        `(batch, patches, hidden_dim)`, or one more with a class token.

    Raises:
        ValueError: if a size is no positive integer, or images have another
            number of channels.

    Reference:
        Dosovitskiy et al. 2021, An Image is Worth 16x16 Words,
        https://arxiv.org/abs/2010.11929
    """

    def __init__(
        self, patch_size, hidden_dim, channels=1, class_token=False, **kwargs
    ):
        super().__init__(**kwargs)
        sizes = patch_size
        if not isinstance(sizes, (list, tuple)):
            sizes = (patch_size, patch_size)
        if len(sizes) != 2:
            raise ValueError(
                "patch_size must be an integer or (height, width). Received: "
                f"{patch_size!r}"
            )
        for size in sizes:
            check_integer("patch_size", size)
        check_integer("hidden_dim", hidden_dim)
        check_integer("channels", channels)
        self.patch_size = tuple(sizes)
        self.hidden_dim = hidden_dim
        self.channels = channels
        self.class_token = class_token

    @property
    def known_shape(self):
        """The shape to build with before any call."""
        return (None, None, None, self.channels)

    def build(self, input_shape=None):
        height, width = self.patch_size
        self.dense = keras.layers.Dense(
            self.hidden_dim, name="projection", dtype=self.dtype_policy
        )
        self.dense.build((None, None, height * width * self.channels))
        if self.class_token:
            self.token = self.add_weight(
                name="class_token",
                shape=(1, self.hidden_dim),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )

    def call(self, inputs, training=None):
        images = as_images(inputs, self.channels, self.compute_dtype)
        x = self.dense(self._patches(images))
        if not self.class_token:
            return x
        token = ops.cast(ops.convert_to_tensor(self.token), x.dtype)
        token = ops.broadcast_to(token, (ops.shape(x)[0], *token.shape))
        return ops.concatenate([token, x], axis=1)

    def _patches(self, images):
        """Cuts up images: `(batch, patches, numbers of a patch)`."""
        height, width = self.patch_size
        shape = ops.shape(images)
        rows, columns = -(-shape[1] // height), -(-shape[2] // width)
        padding = rows * height - shape[1], columns * width - shape[2]
        if padding != (0, 0):
            none = (0, 0)
            sides = [none, (0, padding[0]), (0, padding[1]), none]
            images = ops.pad(images, sides)
        x = ops.reshape(
            images, (shape[0], rows, height, columns, width, self.channels)
        )
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        numbers = height * width * self.channels
        return ops.reshape(x, (shape[0], rows * columns, numbers))

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
        }


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
