"""Attention weights as a picture."""

import contextlib
import re
import warnings

import numpy as np

from keras_attention import files, optional
from keras_attention.visualization.maps import is_integer

# Fonts that know more scripts than matplotlib's own, where they are installed.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
)
_CELL, _PANEL, _LONGEST = 0.24, 1.5, 24.0  # inches
_PURPOSE = "plot_attention"
_MOST_LABELS = 90


def plot_attention(maps, path=None, *, row=0, layers=None, heads=None):
    """Draws attention weights with matplotlib.

    One layer alone is drawn with its tokens on both axes, as the mean of its
    heads unless `heads` says otherwise: for the cross-attention of a
    translation, that is the alignment. Several layers are drawn as a grid, a
    row for each layer and a column for each head.

    Args:
        maps: an `AttentionMaps`.
        path: where to write a PNG; None for not writing it.
        row: integer, the row of the batch.
        layers: a layer's name or a list of names; all by default.
        heads: an integer or a list of integers, or `"mean"`; by default all
            in a grid and the mean of one layer.

    Returns:
        The `matplotlib.figure.Figure`. It belongs to no window, and
        matplotlib's settings and backend stay as they are.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if there is no such row, layer or head.
    """
    maps.check_row(row)
    names = list(maps) if layers is None else layers
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("layers must name one layer at least. Received: none")
    alone = len(names) == 1
    if heads is None:
        heads = "mean" if alone else "all"
    rows = [maps.row(name, row) for name in names]
    panels = [
        (name, found, _heads(name, found.weights, heads))
        for name, found in zip(names, rows, strict=True)
    ]
    figure = _draw_words(*panels[0]) if alone else _draw_grid(panels)
    if path is not None:
        with files.replacing(path) as partial, _glyphs_counted():
            figure.savefig(partial, format="png", dpi=_dots(figure))
    return figure


@contextlib.contextmanager
def _glyphs_counted():
    """Makes one warning of those for each character that no font has."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing = set()
    for warning in caught:
        if re.match("Glyph .* missing", str(warning.message)):
            missing.add(str(warning.message))
        else:
            warnings.warn(warning.message, warning.category, stacklevel=4)
    if missing:
        warnings.warn(
            f"The fonts installed have no glyphs for {len(missing)} of the "
            "characters, which are drawn as boxes.",
            stacklevel=4,
        )


def _heads(name, weights, heads):
    """Picks `[(title, weights (query_length, key_length))]`."""
    if isinstance(heads, str) and heads == "mean":
        return [("mean of heads", weights.mean(axis=0))]
    if isinstance(heads, str) and heads == "all":
        heads = range(len(weights))
    elif is_integer(heads):
        heads = [heads]
    elif (
        isinstance(heads, str)
        or not np.iterable(heads)
        or not all(map(is_integer, heads := list(heads)))
        or not heads
    ):
        raise ValueError(
            'heads must be an integer, a list of integers or "mean". '
            f"Received: {heads!r}"
        )
    for head in heads:
        if not 0 <= head < len(weights):
            raise ValueError(
                f"heads of {name} go from 0 to {len(weights) - 1}. "
                f"Received: {head}"
            )
    return [(f"head {head}", weights[head]) for head in heads]


def _draw_words(name, row, panels):
    """Draws the heads of one layer with tokens on both axes."""
    queries, keys = len(row.query_tokens), len(row.key_tokens)
    longest = [
        max((len(token) for token in tokens), default=1)
        for tokens in (row.query_tokens, row.key_tokens)
    ]
    margins = [0.6 + 0.09 * min(length, 30) for length in longest]
    width = min(max(_CELL * keys, 1.2), _LONGEST / len(panels) - margins[0])
    width = max(width, 1.2)
    height = min(max(_CELL * queries, 1.2), _LONGEST - margins[1])
    figure, axes = _figure(
        1,
        len(panels),
        len(panels) * (width + margins[0]) + 0.6,
        height + margins[1] + 0.6,
    )
    for axis, (title, weights) in zip(axes[0], panels, strict=True):
        image = _show(axis, weights)
        axis.set_title(f"{name}, {title}", fontsize=9, parse_math=False)
        _label(axis.xaxis, row.key_tokens, width, rotation=90)
        _label(axis.yaxis, row.query_tokens, height)
        axis.xaxis.tick_top()
        axis.set_xlabel("keys: what is looked at", fontsize=7)
        axis.set_ylabel("queries", fontsize=7)
        figure.colorbar(image, ax=axis, fraction=0.04, pad=0.02)
    return figure


def _draw_grid(panels):
    """Draws a small picture for each layer and head."""
    columns = max(len(pictures) for _, _, pictures in panels)
    width, height = _PANEL * columns + 1, _PANEL * len(panels) + 0.4
    shrink = min(1.0, 1.6 * _LONGEST / max(width, height))
    figure, axes = _figure(
        len(panels), columns, width * shrink, height * shrink
    )
    for line, (name, _, pictures) in zip(axes, panels, strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, (title, weights) in zip(line, pictures, strict=False):
            _show(axis, weights)
            axis.set_axis_on()
            axis.set(xticks=[], yticks=[])
            axis.set_title(title, fontsize=6, pad=2)
        line[0].set_ylabel(
            name.replace("/", "\n"), fontsize=6, parse_math=False
        )
    return figure


def _figure(rows, columns, width, height):
    """Makes a figure without pyplot, whose backend is the user's."""
    agg = optional.load("matplotlib.backends.backend_agg", _PURPOSE)
    Figure = optional.load("matplotlib.figure", _PURPOSE).Figure
    figure = Figure(figsize=(width, height), layout="constrained")
    agg.FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _show(axis, weights):
    """Draws weights; below zero in another colour, where there are any."""
    largest = float(np.abs(weights).max(initial=0.0)) or 1.0
    negative = bool((weights < 0).any())
    return axis.imshow(
        weights,
        cmap="RdBu" if negative else "Blues",
        vmin=-largest if negative else 0.0,
        vmax=largest,
        aspect="auto",
        interpolation="nearest",
    )


def _label(axis, tokens, length, **options):
    """Writes tokens beside their places, or every second, third ... one.

    Args:
        axis: matplotlib's.
        tokens: list of strings.
        length: float, inches that the axis has.
        **options: of the labels.
    """
    step = -(-len(tokens) // _MOST_LABELS) or 1
    size = 72 * length * step / max(len(tokens), 1)  # points for a label
    size = float(np.clip(0.62 * size, 3.5, 9))
    places = range(0, len(tokens), step)
    labels = [_readable(tokens[place]) for place in places]
    axis.set_ticks(list(places), labels, fontsize=size, **options)
    axis.set_tick_params(length=0, pad=2)
    for label in axis.get_ticklabels():
        label.set_parse_math(False)  # a dollar is a token like any other
        label.set_fontfamily(font_families())


def _readable(token):
    token = token.replace("\n", "⏎").replace("\t", "⇥").strip() or "␣"
    return token if len(token) <= 30 else f"{token[:29]}…"


def font_families():
    """Lists the installed ones of some fonts that know many scripts."""
    font_manager = optional.load("matplotlib.font_manager", _PURPOSE)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


def _dots(figure):
    """Dots per inch that make the longer side 4,000 dots at most."""
    return min(150.0, 4000 / max(figure.get_size_inches()))
