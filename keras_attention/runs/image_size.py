"""The option of recipes to resize images."""

from pathlib import Path

from keras_attention.data.images.loading import fit_images, read_all
from keras_attention.runs.checks import UsageError


def check_image_size(config):
    """Refuses a size of images of which one side is missing or negative."""
    size = tuple(config.image_size)
    if len(size) != 2 or (size != (0, 0) and min(size) < 1):
        raise UsageError(
            "--image-size must be a height and a width, or 0 0 for images as "
            f"they are. Received: {' '.join(map(str, size))}"
        )


def image_size(config):
    """The `(height, width)` to resize to; None for images as they are."""
    return tuple(config.image_size) if any(config.image_size) else None


def read_images(config, names, shape):
    """Reads image files for a task.

    Args:
        config: the options of training.
        names: list of file names.
        shape: `(height, width, channels)` that the task expects.

    Returns:
        An array of them.

    Raises:
        DataError: for files that are no images of this size.
    """
    images = read_all([Path(name) for name in names], image_size(config))
    return fit_images(images, shape, names[0])
