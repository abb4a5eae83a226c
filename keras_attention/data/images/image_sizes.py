"""Sizes of images, told by the first bytes of their files."""

import warnings

from keras_attention import optional
from keras_attention.data.errors import DataError
from keras_attention.memory import machine_memory

# 8,192 by 8,192, far more than a classifier sees. A file of some kilobytes can
# say that it has a thousand times as many.
MOST_PIXELS = 2**26
_SHOWN = 5  # names that an error message lists


def check_sizes(paths, size=None):
    """Refuses images that take too much memory, before one is decoded.

    Broken files are passed over.

    Args:
        paths: list of `pathlib.Path`.
        size: `(height, width)` that each is resized to once it is decoded, or
            None.

    Raises:
        DataError: names the images that have too many pixels. Says by how
            much all of them are too many for the memory of this machine.
    """
    too_large, total = [], 0
    for path in paths:
        try:
            width, height, channels = _read_size(path)
        except OverflowError as error:
            too_large.append(f"{path} ({error})")
        except Exception:  # Pillow's many; decoding raises it again
            continue
        else:
            kept = (height, width) if size is None else size
            total += kept[0] * kept[1] * channels
            if width * height > MOST_PIXELS:
                too_large.append(f"{path} ({width}x{height})")
    if too_large:
        more = len(too_large) - _SHOWN
        raise DataError(
            f"{len(too_large)} of {len(paths)} images have more than "
            f"{MOST_PIXELS:,} pixels, which is the most: "
            f"{', '.join(too_large[:_SHOWN])}"
            f"{f' and {more} more' if more > 0 else ''}."
        )
    total *= 2  # first one by one, and then side by side
    memory = machine_memory()
    if memory is not None and total > memory:
        raise DataError(
            f"The {len(paths)} images of {paths[0].parent} and on take "
            f"{total / 2**30:.1f} GiB, and the machine has "
            f"{memory / 2**30:.1f} GiB of memory."
        )


def _read_size(path):
    Image = optional.load("PIL.Image", "Reading images")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                gray = image.mode in ("1", "L", "LA", "I", "I;16")
                return *image.size, 1 if gray else 3
        except Image.DecompressionBombError as error:
            raise OverflowError(str(error).rstrip(".")) from error
