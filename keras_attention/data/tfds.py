"""Parallel text from TensorFlow Datasets."""

import os
from textwrap import shorten

import keras

from keras_attention.data.errors import DataError

BATCH = 1_024  # sentences fetched at once
MESSAGE = 400  # characters kept of an error inside the library


def load_tfds(name, split, source_language, target_language):
    """Reads two text features of a data set of TensorFlow Datasets.

    A set that is not on this machine is downloaded first. The environment
    variable `TFDS_DATA_DIR` says where prepared sets lie.

    Args:
        name: Name of the set with its configuration, for example
            `"ted_hrlr_translate/pt_to_en"`.
        split: Name of a split, or a slice such as `"train[:10%]"`.
        source_language: Name of the feature to translate from.
        target_language: Name of the feature to translate to.

    Returns:
        Two lists of strings.

    Raises:
        DataError: If the set, the split or a language is unknown, or the set
            cannot be prepared.
    """
    tensorflow, tfds = _import()
    _leave_accelerator_alone(tensorflow)
    builder = _builder(tfds, name)
    _check_languages(tfds, builder, name, source_language, target_language)
    _prepare(builder, name)
    _check_split(builder, name, split)
    try:
        dataset = builder.as_dataset(
            split=split,
            # One reader, so that sentences keep the order of the files.
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
    except ValueError as error:  # a slice that is none
        raise DataError(
            f"{name!r} has no split {split!r}: {_short(error)}"
        ) from error
    languages = source_language, target_language
    dataset = dataset.map(lambda row: [row[key] for key in languages])
    sources, targets = [], []
    try:
        for batch in tfds.as_numpy(dataset.batch(BATCH)):
            sources += [text.decode("utf-8") for text in batch[0]]
            targets += [text.decode("utf-8") for text in batch[1]]
    except (tensorflow.errors.OpError, UnicodeDecodeError) as error:
        raise DataError(
            f"{name!r} in {str(builder.data_dir)!r} is damaged: {_short(error)}"
        ) from error
    return sources, targets


def _import():
    try:
        # TensorFlow Datasets imports it without declaring it.
        import importlib_resources  # noqa: F401
        import tensorflow
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "'tfds:' needs TensorFlow Datasets: pip install tensorflow "
            "tensorflow-datasets importlib_resources"
        ) from error
    return tensorflow, tensorflow_datasets


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
        ) from error


def _check_languages(tfds, builder, name, *languages):
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        features = {}
    texts = sorted(
        key
        for key, feature in features.items()
        if isinstance(feature, tfds.features.Text)
    )
    for language in languages:
        if language not in texts:
            raise DataError(
                f"{name!r} has no text feature {language!r}; it has: "
                f"{', '.join(texts) or 'none'}."
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
        raise DataError(
            f"{name!r} has no split {split!r}; it has: "
            f"{', '.join(sorted(builder.info.splits))}."
        )


def _short(message):
    """Returns an error, or its message, as one line."""
    return shorten(str(message), MESSAGE, placeholder=" ...")
