"""Weights as text: compressed halves in base64."""

import base64
import zlib

import numpy as np

from keras_attention.visualization.maps import entropy

_THUMBNAIL = 32  # dots on the longer side


def pack_row(maps, index):
    """Packs one row of the batch for the page.

    Args:
        maps: an `AttentionMaps`.
        index: integer, the row.

    Returns:
        A dictionary for JSON: `"number"`; `"tokens"`, lists of strings; and
        `"layers"`, each with the places of its lists, and `"shape"`,
        `"weights"`, `"entropy"` of each head and `"thumbnails"`.
    """
    lists, layers = [], []
    for name in maps:
        row = maps.row(name, index)
        shape, thumbnails = _thumbnails(row.weights)
        layers.append(
            {
                "queries": _place(row.query_tokens, lists),
                "keys": _place(row.key_tokens, lists),
                "shape": list(row.weights.shape),
                "weights": _pack(row.weights.astype("float16")),
                "entropy": np.round(entropy(row.weights), 4).tolist(),
                "thumbnail_shape": shape,
                "thumbnails": _pack(thumbnails, compress=False),
            }
        )
    return {"number": int(index), "tokens": lists, "layers": layers}


def _place(tokens, lists):
    """The place of a list among lists, to which it is added if it is new."""
    if tokens not in lists:
        lists.append(tokens)
    return lists.index(tokens)


def _pack(array, compress=True):
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    if compress:
        data = zlib.compress(data)
    return base64.b64encode(data).decode("ascii")


def _thumbnails(weights):
    """Small pictures of the heads, each as bright as its largest weight.

    Returns:
        `([height, width], uint8 (heads, height, width))`.
    """
    sizes = np.abs(weights)
    for axis in (1, 2):
        length = sizes.shape[axis]
        if length > _THUMBNAIL:
            # The largest of each group, so that no thin line is lost.
            starts = np.arange(_THUMBNAIL) * length // _THUMBNAIL
            sizes = np.maximum.reduceat(sizes, starts, axis=axis)
    largest = sizes.max(axis=(1, 2), keepdims=True, initial=0.0)
    scaled = 255 * sizes / np.where(largest > 0, largest, 1)
    return list(sizes.shape[1:]), np.round(scaled).astype("uint8")
