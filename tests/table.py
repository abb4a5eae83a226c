"""Tables of flavours and encodings in Markdown, from what the classes say.

    python -m tests.table README.md

rewrites each table between its two comments in a file; without a file they are
printed.
"""

import inspect
import sys
from pathlib import Path

import keras_attention
from keras_attention import attention, files, positions, zoo
from keras_attention.models.published import reading


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


def encoding_table():
    """Renders `positions.describe()` as a table in Markdown.

    Returns:
        A string of one line an encoding.
    """
    lines = ["| name | class | paper | acts by |", "| --- | --- | --- | --- |"]
    for name, found in positions.describe().items():
        if name == "none":
            continue
        cells = [
            f"`{name}`",
            f"`{found['class_name']}`",
            found["paper"],
            ", ".join(found["hooks"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pair_table():
    """Renders `attention.compatibility()` as a table in Markdown.

    Encodings that the same flavours take share a column.

    Returns:
        A string of one line a flavour.
    """
    pairs = attention.compatibility()
    columns = {}
    for encoding in next(iter(pairs.values())):
        marks = tuple(_mark(row[encoding] is None) for row in pairs.values())
        columns.setdefault(marks, []).append(encoding)
    heads = [" ".join(f"`{name}`" for name in c) for c in columns.values()]
    lines = [
        f"| flavour | {' | '.join(heads)} |",
        "| --- |" + " --- |" * len(heads),
    ]
    for index, name in enumerate(pairs):
        marks = " | ".join(column[index] for column in columns)
        lines.append(f"| `{name}` | {marks} |")
    return "\n".join(lines)


def family_table():
    """Renders the published families as a table in Markdown.

    Returns:
        A string of one line a family.
    """
    lines = [
        "| family | paper | models | sizes | in KerasHub | lines |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family in zoo.FAMILIES:
        cells = [
            family.name,
            family.paper.partition(",")[0],
            ", ".join(f"`{name}`" for name in family.architectures),
            ", ".join(map(_size, family.sizes)),
            _mark(family.in_keras_hub),
            str(len(_file_of(family).read_text("utf-8").splitlines())),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _size(name):
    """A published size and how many weights it has."""
    family = zoo.sizes()[name]
    kind = next(iter(family.architectures))
    count = reading.count(getattr(keras_attention, kind), name)
    return f"`{name}` {count / 1e6:,.0f} M"


def _file_of(family):
    """The file that holds a family."""
    return next(
        Path(module.__file__)
        for module in vars(zoo).values()
        if inspect.ismodule(module)
        and any(found is family for found in vars(module).values())
    )


TABLES = {
    "families": family_table,
    "flavours": flavour_table,
    "encodings": encoding_table,
    "pairs": pair_table,
}


def rewrite(path, tables=TABLES):
    """Puts tables between the comments of a file.

    Args:
        path: a file that holds `<!-- NAME: begin -->` and, behind it,
            `<!-- NAME: end -->` for each table.
        tables: dictionary from a table's name to a function that makes it.

    Raises:
        ValueError: if it does not hold both comments of each table.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    for name, make in tables.items():
        marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, begin, rest = text.partition(marks[0])
        _, end, after = rest.partition(marks[1])
        if not begin or not end:
            raise ValueError(
                f"{path} must hold {marks[0]} and, behind it, {marks[1]}"
            )
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    with files.replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _mark(honoured):
    return "yes" if honoured else ""


if __name__ == "__main__":
    for file in sys.argv[1:]:
        rewrite(file)
    if len(sys.argv) == 1:
        print("\n\n".join(make() for make in TABLES.values()))
