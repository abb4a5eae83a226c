"""Random changes of images for training."""

import numpy as np


def distorted(images, rng, rotate=0.0, zoom=0.0, shift=0.0):
    """Turns, scales and moves each image at random; around it are zeros.

    Args:
        images: float array `(batch, height, width, channels)`.
        rng: `numpy.random.Generator`.
        rotate: the most degrees, to either side.
        zoom: the largest share by which an image grows or shrinks.
        shift: the most pixels, in either direction.

    Returns:
        Array like `images`, interpolated linearly.
    """
    count, height, width = images.shape[:3]
    angles = np.radians(rng.uniform(-rotate, rotate, (count, 1, 1)))
    scales = 1 / (1 + rng.uniform(-zoom, zoom, (count, 1, 1)))
    down, right = rng.uniform(-shift, shift, (2, count, 1, 1))
    # Where each pixel is taken from, seen from the middle, which stays.
    y = np.arange(height)[:, None] - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    cos, sin = scales * np.cos(angles), scales * np.sin(angles)
    places = [
        sin * x + cos * y + (height - 1) / 2 - down,
        cos * x - sin * y + (width - 1) / 2 - right,
    ]
    # The middle of an even side would make 1 of 0.9999999999999999.
    places = [np.round(place, 9) for place in places]
    corners = [np.floor(place).astype(int) for place in places]
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    rows = np.arange(count)[:, None, None]
    total = np.zeros_like(images)
    for more in np.ndindex(2, 2):
        near = [corner + one for corner, one in zip(corners, more, strict=True)]
        share = np.prod(
            [
                1 - abs(place - at)
                for place, at in zip(places, near, strict=True)
            ],
            axis=0,
        )
        y, x = (
            np.clip(at + 1, 0, size + 1)
            for at, size in zip(near, (height, width), strict=True)
        )
        total += share[..., None].astype(images.dtype) * padded[rows, y, x]
    return total
