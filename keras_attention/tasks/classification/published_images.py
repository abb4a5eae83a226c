"""What a published folder says of the images that its model takes."""

from keras_attention.json_files import read_json

PREPROCESSOR = "preprocessor_config.json"
_SIZE = 224  # of models whose config.json leaves it out


def read_settings(folder, model):
    """Reads the settings of an `ImageClassifier`.

    Args:
        folder: `pathlib.Path`.
        model: the `Classifier` that was read from it.

    Returns:
        A dictionary of `image_shape`, `scale` and `offset`.

    Raises:
        ValueError: if the model takes no images, or `preprocessor_config.json`
            is missing or does not say how pixels are scaled.
    """
    embedding = getattr(model.encoder, "embedding", None)
    channels = getattr(embedding, "channels", None)
    if channels is None:
        raise ValueError(f"The model in {folder} takes no images.")
    size = (model.published or {}).get("image_size", _SIZE)
    height, width = size if isinstance(size, list) else (size, size)
    scale, offset = _scaling(folder / PREPROCESSOR, channels)
    shape = height, width, channels
    return {"image_shape": shape, "scale": scale, "offset": offset}


def _scaling(path, channels):
    """Reads what pixels are multiplied with, and what is added, by channel."""
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, which says how pixels are scaled. Make the "
            "task of Classifier.from_preset with a scale and an offset."
        )
    config = read_json(path)
    config = config if isinstance(config, dict) else {}
    factor, means, deviations = 1.0, [0.0] * channels, [1.0] * channels
    try:
        if config.get("do_rescale", True):
            factor = float(config.get("rescale_factor", 1 / 255))
        if config.get("do_normalize", True):
            means = [float(x) for x in config["image_mean"]]
            deviations = [float(x) for x in config["image_std"]]
        pairs = [*zip(means, deviations, strict=True)]
        scale = [factor / deviation for _, deviation in pairs]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"{path} must have image_mean and image_std, numbers for each "
            f"channel. Received: {error!r}"
        ) from error
    return scale, [-mean / deviation for mean, deviation in pairs]
