"""Images as what an encoder takes: read, checked and scaled."""

import os

import numpy as np

from keras_attention.checks import is_real
from keras_attention.data.images.loading import fit_images, read_all
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.positions.core.grid import size_of
from keras_attention.tasks.core.checks import check_positions, check_positive
from keras_attention.tasks.core.text_batches import compiles_shapes


class ImageInputs:
    """Turns images into batches for the encoder of a model.

    Args:
        encoder: the part of the model that reads images.
        image_shape: `(height, width, channels)` of the images.
        scale: number that pixels are multiplied with, or a list of one for
            each channel.
        offset: number, or numbers, that are then added.
        batch_size: integer, images of a batch at most.

    Attributes:
        settings: dictionary of these numbers, as JSON can hold them.

    Raises:
        ValueError: if the encoder takes other images, or a number is out of
            its range.
    """

    def __init__(self, encoder, image_shape, scale, offset, batch_size):
        shape = tuple(image_shape) if np.iterable(image_shape) else ()
        if len(shape) != 3:
            raise ValueError(
                "image_shape must be (height, width, channels). Received: "
                f"{image_shape!r}"
            )
        check_positive(batch_size=batch_size)
        for size in shape:
            check_positive(image_shape=size)
        scale = _check_numbers("scale", scale, shape[-1])
        offset = _check_numbers("offset", offset, shape[-1])
        _check_channels(encoder, shape[-1])
        _check_patches(encoder, shape)
        self._encoder, self._shape = encoder, shape
        self.settings = {
            "image_shape": list(shape),
            "scale": scale,
            "offset": offset,
            "batch_size": batch_size,
        }

    def read(self, images):
        """Reads images, from files where their paths are given.

        Args:
            images: as of a task's call.

        Returns:
            `(images, is_one)`: an array `(batch, height, width, channels)`,
            or without the last axis for one channel, and whether a single
            image was given.

        Raises:
            ValueError: for images of another shape, or broken files.
        """
        if _is_path(images):
            return self._read_files([images]), True
        if isinstance(images, (list, tuple)) and any(map(_is_path, images)):
            return self._read_files(images), False
        images = _as_array(images)
        is_one = images.shape in self._shapes()
        return self._checked(images[None] if is_one else images), is_one

    def _read_files(self, paths):
        for index, path in enumerate(paths):
            if not _is_path(path):
                raise ValueError(
                    "images must be arrays, or all of them paths. Received: "
                    f"{type(path).__name__} at index {index}"
                )
        images = read_all([os.fspath(path) for path in paths])
        return fit_images(images, self._shape, str(paths[0]))

    def scaled(self, images):
        """Scales images of the right shape: what the model gets, float32."""
        images = np.asarray(images, "float32").reshape((-1, *self._shape))
        scale, offset = (
            np.asarray(self.settings[name], "float32")
            for name in ("scale", "offset")
        )
        return images * scale + offset

    def batches(self, images):
        """Makes arrays that the model takes.

        Args:
            images: array, from `read`.

        Yields:
            `(indices, array)`: which images, and the rows of as many of them,
            or more.
        """
        size = self.settings["batch_size"]
        for first in range(0, len(images), size):
            batch = self.scaled(images[first : first + size])
            chosen = np.arange(first, first + len(batch))
            if compiles_shapes() and len(batch) < size and first:
                batch = np.resize(batch, (size, *batch.shape[1:]))
            yield chosen, batch

    def cells(self):
        """Names the patches, "row,column", or None of another encoder."""
        embedding = getattr(self._encoder, "embedding", None)
        if not isinstance(embedding, PatchEmbedding):
            return None
        grid = embedding.grid(*self._shape[:2])
        cells = [f"{row},{column}" for row, column in np.ndindex(grid)]
        tokens = ["class", "distillation"][: embedding.num_class_tokens]
        return tokens + cells

    def _shapes(self):
        """The shapes that an image may have."""
        shape = self._shape
        return [shape, shape[:-1]] if shape[-1] == 1 else [shape]

    def _checked(self, images):
        if not images.size and images.ndim < 3:
            images = images.reshape((0, *self._shape))
        if images.ndim < 3 or images.shape[1:] not in self._shapes():
            sizes = ", ".join(map(str, self._shape))
            raise ValueError(
                f"images must have the shape (batch, {sizes}). Received: "
                f"{images.shape}"
            )
        return images


def _check_numbers(name, given, channels):
    """Makes a float of a number, or a list of one for each channel."""
    is_list = isinstance(given, (list, tuple))
    numbers = given if is_list else [given]
    # Float32 holds no larger ones.
    fit = all(is_real(x) and abs(x) < 2.0**127 for x in numbers)
    if not fit or (is_list and len(numbers) != channels):
        raise ValueError(
            f"{name} must be a number, or a list of {channels}, one for each "
            f"channel. Received: {name}={given!r}"
        )
    return [float(x) for x in numbers] if is_list else float(given)


def _is_path(image):
    return isinstance(image, (str, os.PathLike))


def _as_array(images):
    """Makes an array of images, and refuses what is no picture.

    Args:
        images: array or nested lists.

    Returns:
        A NumPy array.

    Raises:
        ValueError: for several shapes, or what is not a finite real number.
    """
    try:
        images = np.asarray(images)
    except ValueError:  # NumPy's word for rows of several lengths
        raise ValueError(
            "images must all have one shape. Received: several"
        ) from None
    kind = images.dtype.kind
    if kind not in "biuf" and "float" not in images.dtype.name:
        raise ValueError(f"images must be numbers. Received: {images.dtype}")
    if kind not in "biu" and not np.isfinite(images.astype("float32")).all():
        raise ValueError(
            "images must be finite numbers. Received: NaN or infinity"
        )
    return images


def _check_channels(encoder, channels):
    """Refuses a model that takes no images, or others."""
    part = getattr(encoder, "embedding", encoder)
    expected = getattr(part, "channels", None)
    if expected != channels:
        takes = f"{expected} channels" if expected else "no images"
        raise ValueError(
            f"The {type(encoder).__name__} of the model takes {takes}. "
            f"Received: image_shape with {channels} channels"
        )


def _check_patches(encoder, shape):
    """Refuses encodings and flavours made for other patches than an image's."""
    embedding = getattr(encoder, "embedding", None)
    if not isinstance(embedding, PatchEmbedding):
        return
    grid = embedding.grid(*shape[:2])
    patches = grid[0] * grid[1]
    for part in getattr(encoder, "parts_on_grid", list)():
        found = part.grid
        if found is None and not getattr(part, "grid_of_attention", False):
            found = size_of(patches)
        if found is None or tuple(found) != grid:
            raise ValueError(
                f"image_shape has {grid[0]} rows of {grid[1]} patches; give "
                f"{type(part).__name__} grid={grid}. Received: a grid of "
                f"{found}"
            )
    count = patches + embedding.num_class_tokens
    check_positions(encoder, "image_shape", count)
