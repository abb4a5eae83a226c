"""Attention weights as a page to explore."""

import json
from importlib import resources

from keras_attention import files
from keras_attention.visualization.packing import pack_row


def attention_page(maps, path, *, row=None, title="Attention"):
    """Writes one HTML file that shows attention in a browser.

    Choose a layer and a head, point at a token to see where it looks, or who
    looks at it. All that the page needs is in it; it asks nothing of a
    network. It works with the keyboard, on a phone, in light and dark.

    Args:
        maps: an `AttentionMaps`.
        path: the file to write; one that is there is replaced at once.
        row: integer, the row of the batch; all rows by default, of which the
            page lets one be chosen.
        title: string.

    Raises:
        ValueError: if there is no such row.
    """
    rows = range(maps.batch_size) if row is None else [row]
    for index in rows:
        maps.check_row(index)
    data = {
        "title": title,
        "layers": [
            {"name": name, "across": name in maps.across} for name in maps
        ],
        "skipped": maps.skipped,
        "rows": [pack_row(maps, index) for index in rows],
    }
    page = _part("page.html")
    for mark, text in (
        ("/*style*/", _part("page.css")),
        ("/*numbers*/", _part("numbers.js")),
        ("/*script*/", _part("page.js")),
        ("/*drawing*/", _part("drawing.js")),
        ("/*events*/", _part("events.js")),
        ("<!--title-->", _escape_html(title)),
        ("<!--data-->", _escape(json.dumps(data, separators=(",", ":")))),
    ):
        page = page.replace(mark, text)
    with files.replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _part(name):
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _escape(text):
    """Leaves nothing in JSON that could end or open an element."""
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _escape_html(text):
    for sign in "&<>":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text
