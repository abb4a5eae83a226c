"""Text, labels and numbers from TensorFlow Datasets."""

import os
from functools import partial
from textwrap import shorten

import keras
import numpy as np

from keras_attention import optional
from keras_attention.checks import did_you_mean
from keras_attention.data.errors import DataError, MissingSplit
from keras_attention.data.images.resizing import resize

BATCH = 1_024  # rows fetched at once
_IMAGES = "image or label"  # the kind of feature that is asked for
MESSAGE = 400  # characters kept of an error inside the library


def load_texts(name, split, *features):
    """Reads features that hold text; see `load_features`."""
    return _load(name, split, features, "text feature")


def load_features(name, split, features):
    """Reads features of a data set of TensorFlow Datasets as strings.

    A set that is not on this machine is downloaded first. The environment
    variable `TFDS_DATA_DIR` says where prepared sets lie.

    Args:
        name: Name of the set with its configuration, for example
            `"ted_hrlr_translate/pt_to_en"`.
        split: Name of a split, or a slice such as `"train[:10%]"`.
        features: List of names of features; `"outer/inner"` for one within
            another. Text, class labels and single numbers will do.

    Returns:
        List with a list of strings for each feature. Of class labels they are
        the names, and empty for an example without label.

    Raises:
        DataError: If the set, the split or a feature is unknown, or the set
            cannot be prepared.
    """
    return _load(name, split, features, "feature")


def feature_names(name):
    """Lists the features that `load_features` can read."""
    _, tfds = _import()
    features = _builder(tfds, name).info.features
    return sorted(_readers(tfds, features, "feature"))


def load_images(name, split, size=None):
    """Reads the features `image` and `label` of a set; see `load_features`.

    Args:
        name, split: strings.
        size: `(height, width)` that images are resized to, or None.

    Returns:
        `(images, labels)`: a uint8 array `(count, height, width, channels)`
        and a list of strings.

    Raises:
        DataError: as `load_features`, or if images are of several sizes or
            have no label.
    """
    images, labels = _load(name, split, ("image", "label"), _IMAGES, batch=1)
    if size is not None:
        images = [resize(image, size) for image in images]
    sizes = sorted({image.shape for image in images})
    if len(sizes) > 1:
        raise DataError(
            f"The images of {name!r} are of several sizes, for example "
            f"{sizes[0]} and {sizes[-1]} (--image-size makes them one)."
        )
    if not images:
        raise DataError(f"{name!r} has no images in split {split!r}.")
    if "" in labels:
        raise DataError(
            f"{labels.count('')} of {len(labels)} images of {name!r}, split "
            f"{split!r}, have no label."
        )
    return np.stack(images), labels


def _load(name, split, features, kind, batch=BATCH):
    tensorflow, tfds = _import()
    _leave_accelerator_alone(tensorflow)
    builder = _builder(tfds, name)
    readers = _readers(tfds, builder.info.features, kind)
    if kind == "text feature":
        readers = {
            key: readers[key] for key in readers if readers[key] is _text
        }
    _check_features(readers, name, features, kind)
    _prepare(builder, name)
    _check_split(builder, name, split)
    try:
        dataset = builder.as_dataset(
            split=split,
            # One reader, so that rows keep the order of the files.
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
    except ValueError as error:  # a slice that is none
        raise DataError(
            f"{name!r} has no split {split!r}: {_short(error)}"
        ) from error
    dataset = dataset.map(
        lambda row: tuple(_value(row, key) for key in features)
    )
    columns = [[] for _ in features]
    try:
        for rows in tfds.as_numpy(dataset.batch(batch)):
            for column, key, values in zip(
                columns, features, rows, strict=True
            ):
                column += [readers[key](value) for value in values]
    except (tensorflow.errors.OpError, UnicodeDecodeError) as error:
        raise DataError(
            f"{name!r} in {str(builder.data_dir)!r} is damaged: {_short(error)}"
        ) from error
    return columns


def _value(row, key):
    for name in key.split("/"):
        row = row[name]
    return row


def _readers(tfds, features, kind, prefix=""):
    """Maps names of features to functions that make strings of values."""
    readers = {}
    if not isinstance(features, tfds.features.FeaturesDict):
        return readers
    for name, feature in features.items():
        key = f"{prefix}{name}"
        if isinstance(feature, tfds.features.FeaturesDict):
            readers.update(_readers(tfds, feature, kind, f"{key}/"))
        elif isinstance(feature, tfds.features.Text):
            readers[key] = _text
        elif isinstance(feature, tfds.features.ClassLabel):
            readers[key] = partial(_label, feature)
        elif isinstance(feature, tfds.features.Image):
            if kind == _IMAGES:
                readers[key] = np.asarray
        elif isinstance(feature, tfds.features.Tensor) and not feature.shape:
            readers[key] = _plain
    return readers


def _text(value):
    return value.decode("utf-8")


def _label(feature, value):
    return "" if value < 0 else feature.int2str(int(value))


def _plain(value):
    if isinstance(value, bytes):
        return _text(value)
    # As JSON writes what is true.
    return str(value).lower() if isinstance(value, np.bool_) else str(value)


def _import():
    # TensorFlow Datasets imports the other two without declaring them.
    _, tensorflow, tfds = (
        optional.load(name, "'tfds:'", "datasets")
        for name in ("importlib_resources", "tensorflow", "tensorflow_datasets")
    )
    return tensorflow, tfds


def _leave_accelerator_alone(tensorflow):
    """Keeps TensorFlow, as a reader, from taking another backend's memory."""
    if keras.backend.backend() == "tensorflow":
        return
    try:
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError:  # it already runs, so its devices are settled
        return


def _builder(tfds, name):
    # TensorFlow Datasets itself reads the variable once, when imported.
    folder = os.environ.get("TFDS_DATA_DIR")
    try:
        return tfds.builder(name, data_dir=folder)
    except (
        AssertionError,  # a version that there is not
        tfds.core.DatasetNotFoundError,
        ValueError,
    ) as error:
        reason = str(error).partition("Available datasets")[0]
        where = f" and there is none in {folder!r}" if folder else ""
        raise DataError(
            f"TensorFlow Datasets knows no {name!r}{where}: {_short(reason)}"
            f"{_nearest(tfds, name)}"
        ) from error


def _nearest(tfds, name):
    known = tfds.list_builders(with_community_datasets=False)
    set_name = name.partition("/")[0]
    return "" if set_name in known else did_you_mean(set_name, known)


def _check_features(known, name, features, kind):
    for feature in features:
        if feature not in known:
            raise DataError(
                f"{name!r} has no {kind} {feature!r}; it has: "
                f"{', '.join(sorted(known)) or 'none'}."
            )


def _prepare(builder, name):
    if builder.is_prepared():
        return
    try:
        builder.download_and_prepare()
    except Exception as error:  # of any kind: it runs the set's own code
        raise DataError(
            f"TensorFlow Datasets could not prepare {name!r} in "
            f"{str(builder.data_dir)!r}: {type(error).__name__}: "
            f"{_short(error)}"
        ) from error


def _check_split(builder, name, split):
    names = [part.partition("[")[0] for part in split.split("+")]
    if not set(names) <= set(builder.info.splits):
        raise MissingSplit(
            f"{name!r} has no split {split!r}; it has: "
            f"{', '.join(sorted(builder.info.splits))}."
        )


def _short(message):
    """Returns an error, or its message, as one line."""
    return shorten(str(message), MESSAGE, placeholder=" ...")
