"""Labelled images from scikit-learn, folders and TensorFlow Datasets."""

import os
import warnings
from pathlib import Path

import numpy as np

from keras_attention import optional
from keras_attention.data.errors import DataError, MissingSplit
from keras_attention.data.images.image_sizes import check_sizes
from keras_attention.data.images.resizing import resize
from keras_attention.data.sources.files import ALIASES
from keras_attention.data.sources.named import split_name
from keras_attention.data.sources.tfds import load_images as load_tfds_images

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError)  # of broken files
SHOWN = 5  # names that an error message lists
# Of the digits, in the order of a fixed permutation.
_DIGITS = {
    "train": slice(0, 1257),
    "validation": slice(1257, 1437),
    "test": slice(1437, 1797),
}


def load_images(dataset, split, size=None):
    """Loads images and the names of their classes.

    `dataset` names the source:

    - `"demo"`: the 1,797 handwritten digits of 8 by 8 pixels that come with
      scikit-learn, 1,257, 180 and 360 of them in `train`, `validation` and
      `test`. Their pixels, from 0 to 16, are brought to 0 to 255.
    - `"files:FOLDER"`: a folder of images for each class,
      `FOLDER/{split}/{class}/*.png` (or another format that Pillow reads).
      `"validation"` also finds `val`, `valid` and `dev`. In a folder without
      splits, `FOLDER/{class}/*.png`, all images are of `train`. Names that
      begin with a dot are passed over.
    - `"tfds:NAME"`: a set of TensorFlow Datasets with the features `image`
      and `label`, for example `"tfds:mnist"`.

    Args:
        dataset: string, the source as above.
        split: string.
        size: `(height, width)` that images are resized to; None for as they
            are, which has to be one size.

    Returns:
        `(images, labels)`: a uint8 array `(count, height, width, channels)`
        and a list of strings.

    Raises:
        DataError: if the source or the split is unknown, images are broken or
            of several sizes, or a class has none.
    """
    kind, name = split_name(dataset, demos=("demo",))
    if kind == "files":
        return _load_folder(Path(name).expanduser(), split, size)
    if kind == "tfds":
        return load_tfds_images(name, split, size)
    if kind == "demo":
        images, labels = _load_digits(split)
        if size is not None:
            images = np.stack([resize(image, size) for image in images])
        return images, labels
    raise DataError(
        "Images come from demo, files:FOLDER or tfds:NAME. Received: "
        f"{dataset!r}"
    )


def _load_digits(split):
    if split not in _DIGITS:
        raise DataError(
            f"The demo has the splits {', '.join(_DIGITS)}. Received: {split!r}"
        )
    digits = optional.load(
        "sklearn.datasets", "The demo of digits"
    ).load_digits()
    # RandomState, because NumPy has frozen its stream for good.
    order = np.random.RandomState(0).permutation(len(digits.target))
    rows = order[_DIGITS[split]]
    images = np.round(digits.images[rows][..., None] * (255 / 16))
    return images.astype("uint8"), [str(digit) for digit in digits.target[rows]]


def list_images(dataset, split):
    """Names the images of `load_images`, in its order.

    Args: as of `load_images`.

    Returns:
        List of strings: the paths of files, or None of another source.
    """
    kind, _, name = dataset.partition(":")
    if kind != "files":
        return None
    paths, _, _ = _list_folder(Path(name).expanduser(), split)
    return [str(path) for path in paths]


def fit_images(images, shape, name):
    """Gives images the channels that a model takes.

    Args:
        images: uint8 `(count, height, width, channels)`, gray or red, green
            and blue.
        shape: `(height, width, channels)` that the model takes.
        name: what the error message calls the images.

    Returns:
        uint8 `(count, *shape)`.

    Raises:
        DataError: for another height or width.
    """
    if tuple(images.shape[1:3]) != tuple(shape[:2]):
        raise DataError(
            f"The model takes images of {shape[1]}x{shape[0]} pixels, and "
            f"{name} has {images.shape[2]}x{images.shape[1]}."
        )
    if images.shape[-1] > shape[-1]:  # in the shares that Pillow takes
        gray = images @ np.array([[0.299], [0.587], [0.114]])
        images = np.round(gray).astype("uint8")
    return np.broadcast_to(images, (len(images), *shape))


def _load_folder(folder, split, size):
    paths, labels, left_out = _list_folder(folder, split)
    if left_out:
        warnings.warn(
            f"Left out {len(left_out)} files that end in none of "
            f"{', '.join(SUFFIXES)}: {_listing(left_out)}.",
            stacklevel=4,
        )
    return read_all(paths, size), labels


def _list_folder(folder, split):
    """Finds `(paths, labels, left_out)` of a split."""
    root = _split_folder(folder, split)
    inside = _visible(root)
    dangling = [str(x) for x in inside if _is_dangling(x)]
    if dangling:
        raise DataError(
            f"{len(dangling)} links among the folders of classes lead to "
            f"nothing: {_listing(dangling)}."
        )
    paths, labels, left_out = [], [], []
    for subfolder in filter(Path.is_dir, inside):
        # A link to nothing is a file that cannot be read.
        files = [
            path
            for path in _visible(subfolder)
            if path.is_file() or _is_dangling(path)
        ]
        found = [x for x in files if x.suffix.lower() in SUFFIXES]
        left_out += [str(x) for x in files if x not in found]
        if not found:
            raise DataError(
                f"The class {subfolder.name!r} has no images: "
                f"{str(subfolder)!r} holds none of {', '.join(SUFFIXES)}."
            )
        paths += found
        labels += [subfolder.name] * len(found)
    if not paths:
        raise DataError(
            f"There is no folder for a class in {str(root)!r}, where images "
            "are expected as CLASS/NAME.png."
        )
    return paths, labels, left_out


def _visible(folder):
    """Lists what is in a folder, without what editors and systems hide."""
    return sorted(x for x in folder.iterdir() if not x.name.startswith("."))


def _is_dangling(path):
    """Whether a path is a link to what is not there."""
    return path.is_symlink() and not os.path.exists(path)


def _split_folder(folder, split):
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}.")
    for alias in ALIASES.get(split, (split,)):
        if (folder / alias).is_dir():
            return folder / alias
    names = [path.name for path in _visible(folder) if path.is_dir()]
    splits = {"train", "test"}.union(*ALIASES.values())
    if split == "train" and names and not splits.intersection(names):
        return folder  # of classes alone
    raise MissingSplit(
        f"There is no folder {split!r} in {str(folder)!r}. It holds: "
        f"{', '.join(names[:20]) or 'no folders'}."
    )


def read_all(paths, size=None):
    """Reads images of one size.

    Args:
        paths: list of `pathlib.Path`.
        size: `(height, width)` that images are resized to, or None.

    Returns:
        uint8 `(count, height, width, channels)`; one channel if all are gray.
        Of several frames, of an animation or of pages, it is the first; one
        warning counts such files.

    Raises:
        DataError: for broken files, too many pixels, or other sizes than that
            of the most.
    """
    check_sizes(paths, size)
    images, broken, moving = [], [], []
    for path in paths:
        try:
            image = _read(path, moving)
            images.append(image if size is None else resize(image, size))
        except _PILLOW_ERRORS:
            broken.append(str(path))
        except Exception as error:  # of a kind that Pillow defines itself
            if type(error).__module__.partition(".")[0] != "PIL":
                raise
            broken.append(str(path))
    if broken:
        raise DataError(
            f"{len(broken)} of {len(paths)} images cannot be read: "
            f"{_listing(broken)}."
        )
    if moving:
        warnings.warn(
            f"Took the first frame alone of {len(moving)} images that have "
            f"several: {_listing(moving)}.",
            stacklevel=2,
        )
    sizes = [image.shape[:2] for image in images]
    common = max(set(sizes), key=sizes.count)
    odd = [
        f"{path} ({size[1]}x{size[0]})"
        for path, size in zip(paths, sizes, strict=True)
        if size != common
    ]
    if odd:
        raise DataError(
            f"{len(odd)} of {len(paths)} images are not of {common[1]}x"
            f"{common[0]} pixels, as the others are: {_listing(odd)}. A size "
            "to resize all to makes them one (--image-size)."
        )
    if any(image.shape[-1] == 3 for image in images):
        images = [np.broadcast_to(x, (*x.shape[:2], 3)) for x in images]
    return np.stack(images)


def _read(path, moving):
    Image = optional.load("PIL.Image", "Reading images")
    with Image.open(path) as image:
        # The JPEG of a camera (MPO) has previews of the same picture.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            moving.append(str(path))
        if image.mode == "F":
            raise ValueError("Nobody knows the range of floats.")
        if image.mode.startswith("I"):  # 16 bits
            pixels = np.asarray(image).astype("float64") / 257
            if pixels.min() < 0 or pixels.max() > 255:
                raise ValueError("More than 16 bits.")
            return np.round(pixels[..., None]).astype("uint8")
        gray = image.mode in ("1", "L", "LA")
        pixels = np.asarray(image.convert("L" if gray else "RGB"), "uint8")
    return pixels[..., None] if gray else pixels


def _listing(names):
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN])
    return shown + (f" and {more} more" if more > 0 else "")
