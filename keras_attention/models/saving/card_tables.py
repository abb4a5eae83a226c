"""What a card says of a model's architecture."""

import collections
import math

import keras
import numpy as np

from keras_attention.models.saving.tensor_names import name_weights

# Arguments of the models' constructors, and what a card calls them.
_LABELS = {
    "num_layers": "layers",
    "hidden_dim": "width",
    "intermediate_dim": "width of the feed-forward layers",
    "embedding_dim": "width of the embedding",
    "filters": "filters",
    "kernel_sizes": "kernel sizes",
    "num_heads": "heads",
    "attention": "attention",
    "cross_attention": "cross-attention",
    "position": "position",
    "feed_forward": "feed-forward",
    "normalization": "normalization",
    "residual": "residual",
    "cell": "cell",
    "vocabulary_size": "vocabulary",
    "num_classes": "classes",
}
_SIDES = ("encoder", "decoder")
_LONGEST = 200  # characters of a value


def tables_of(model, rows=()):
    """Makes the tables of a model and of the models within it.

    Args:
        model: a built model.
        rows: pairs of strings that the first table ends with.

    Returns:
        List of paragraphs in Markdown.
    """
    rows = [*_arguments(model), *_sizes(model), *rows]
    parts = [table(("class", type(model).__name__), rows)]
    for name in _SIDES:
        side = getattr(model, name, None)
        if isinstance(side, keras.Model):
            heading = name, type(side).__name__
            parts.append(table(heading, _arguments(side)))
    return parts


def table(heading, rows):
    """Makes a table of two columns in Markdown."""
    lines = [heading, ("---", "---"), *rows]
    return "\n".join(f"| {_cell(x)} | {_cell(y)} |" for x, y in lines)


def _arguments(model):
    config = model.get_config()
    for name, label in _LABELS.items():
        if name in config:
            yield label, _described(config[name])


def _sizes(model):
    _, entries = name_weights(model)
    counts = collections.Counter()
    for entry in entries.values():
        counts[entry.dtype] += math.prod(entry.shape)
    total = sum(
        number * np.dtype(keras.backend.standardize_dtype(dtype)).itemsize
        for dtype, number in counts.items()
    )
    yield "weights", f"{sum(counts.values()):,}"
    yield "bytes", f"{total:,}"
    yield "dtype of the weights", ", ".join(sorted(counts))
    yield "dtype policy", model.dtype_policy.name


def _described(value):
    """A part by its name, whether it was given as one or as a layer."""
    if isinstance(value, dict):
        name = value.get("registered_name") or value.get("class_name", value)
        return str(name).rpartition(">")[2]
    if isinstance(value, (list, tuple)):
        return ", ".join(dict.fromkeys(map(_described, value)))
    return "none" if value is None else str(value)


def _cell(value):
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
