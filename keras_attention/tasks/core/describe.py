"""What a task says of itself."""

import reprlib

import keras

_SIZES = (
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "num_heads",
    "num_classes",
)
_SIDES = ("encoder", "decoder")


def describe_task(task, tokenizers, settings):
    """Describes a task in several lines.

    Args:
        task: the task.
        tokenizers: list of its tokenizers.
        settings: dictionary.

    Returns:
        A string.
    """
    count = task.model.count_params()
    lines = [f"model={describe_model(task.model)},  # {count:,} weights"]
    lines += [
        f"{type(x).__name__}(vocabulary_size={x.vocabulary_size})"
        for x in tokenizers
    ]
    lines += [f"{name}={reprlib.repr(x)}" for name, x in settings.items()]
    inside = "".join(
        f"    {line}{'' if '  # ' in line else ','}\n" for line in lines
    )
    return f"{type(task).__name__}(\n{inside})"


def describe_model(model):
    """Gives the class of a model, its sizes and those of its parts."""
    parts = [
        f"{name}={getattr(model, name)}"
        for name in _SIZES
        if isinstance(getattr(model, name, None), int)
    ]
    for name in _SIDES:
        side = getattr(model, name, None)
        if isinstance(side, keras.Model):
            parts.append(f"{name}={describe_model(side)}")
    return f"{type(model).__name__}({', '.join(parts)})"
