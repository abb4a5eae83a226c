"""Images of another size."""

import numpy as np

from keras_attention import optional


def resize(pixels, size):
    """Resizes an image, whatever its shape was before.

    Pillow's bilinear filter takes every pixel into account where it makes an
    image smaller.

    Args:
        pixels: uint8 `(height, width, channels)`, of one channel or three.
        size: `(height, width)`.

    Returns:
        uint8 `(*size, channels)`.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    Image = optional.load("PIL.Image", "Resizing images")
    gray = pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if gray else pixels)
    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    found = np.asarray(image, "uint8")
    return found[..., None] if gray else found
