"""A table of all flavours in Markdown, from what the classes say.

    python -m keras_attention.attention.table README.md

rewrites the table between two comments in a file; without a file it is
printed.
"""

import sys
from pathlib import Path

from keras_attention import attention, files

BEGIN, END = "<!-- flavours: begin -->", "<!-- flavours: end -->"


def flavour_table():
    """Renders `attention.describe()` as a table in Markdown.

    Returns:
        A string of one line a flavour.
    """
    lines = [
        "| name | class | paper | time / memory | cross | causal | bias "
        "| numbers in the cache of a sequence |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in attention.describe().items():
        causal = _mark(found["causal_mask"])
        if found["causal_mask"] and not found["exact_causal"]:
            causal = "masked"
        cells = [
            f"`{name}`",
            f"`{found['class_name']}`",
            found["paper"],
            found["cost"],
            _mark(found["cross_attention"]),
            causal,
            _mark(found["bias"]),
            found["cache_size"] or "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def rewrite(path):
    """Puts the table between the two comments of a file.

    Args:
        path: a file that holds `BEGIN` and `END`.

    Raises:
        ValueError: if it does not hold both, in this order.
    """
    path = Path(path)
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} must hold {BEGIN} and, behind it, {END}")
    with files.replacing(path) as partial:
        text = f"{before}{BEGIN}\n{flavour_table()}\n{END}{after}"
        partial.write_text(text, encoding="utf-8")


def _mark(honoured):
    return "yes" if honoured else ""


if __name__ == "__main__":
    for file in sys.argv[1:]:
        rewrite(file)
    if len(sys.argv) == 1:
        print(flavour_table())
