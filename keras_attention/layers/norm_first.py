"""What `norm_first` of earlier versions is called now."""

from keras_attention.checks import check_boolean


def refuse_norm_first(options):
    """Answers `norm_first`, as earlier versions had it, with what to write.

    Args:
        options: dictionary of the arguments that a constructor received.

    Raises:
        ValueError: if `norm_first` is among them.
    """
    if "norm_first" in options:
        given = options["norm_first"]
        name = "pre_norm" if given else "post_norm"
        raise ValueError(
            f'norm_first has become residual: write residual="{name}" in '
            f"place of norm_first={given!r}."
        )


def translate_norm_first(config):
    """Reads the configuration of a file of an earlier version.

    Args:
        config: dictionary, which may say `norm_first` where it says no
            `residual`.

    Returns:
        A dictionary with the `residual` of the same model.
    """
    if "norm_first" not in config or "residual" in config:
        return config
    config = dict(config)
    check_boolean("norm_first", config["norm_first"])
    name = "pre_norm" if config.pop("norm_first") else "post_norm"
    return {**config, "residual": name}
