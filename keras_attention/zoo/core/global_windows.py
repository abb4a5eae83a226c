"""Attention to a window, and to a few tokens that see all: of Longformer."""

from keras_attention.zoo.core import arguments

# Entry of a `config.json` that only models of this package know.
CHANGEABLE = ("max_global_tokens",)


def attention(c, num_layers, num_global_tokens=0):
    """The attention of each layer.

    Args:
        c: a `Configuration`.
        num_layers: integer, how many layers have a window.
        num_global_tokens: integer, first tokens that are global where a call
            does not say which are.

    Returns:
        List of configurations.

    Raises:
        ValueError: for a window that has no middle, or another number of them
            than of layers.
    """
    windows = c.attention_window
    if isinstance(windows, int):
        windows = [windows] * num_layers
    if len(windows) != num_layers or any(window % 2 for window in windows):
        raise ValueError(
            f"{c.name} has attention_window={c.attention_window}; it must be "
            f"even, one or a list of {num_layers}, one for each layer."
        )
    return [
        arguments.attention(
            c,
            "longformer",
            window_size=window // 2,  # theirs counts both sides
            num_global_tokens=num_global_tokens,
            max_global_tokens=c.get("max_global_tokens"),
        )
        for window in windows
    ]
