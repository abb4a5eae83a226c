"""Which column of a table holds what: by its name, or by a usual one."""

import dataclasses
import re
from collections.abc import Callable

from keras_attention.checks import did_you_mean
from keras_attention.data.errors import DataError, MissingColumn
from keras_attention.data.sources.files import listing

# Names that people give to what a column is for, the most usual ones.
USUAL = {
    "text": (
        "sentence",
        "document",
        "article",
        "dialogue",
        "review",
        "content",
        "description",
        "comment",
        "message",
        "utterance",
        "query",
        "tweet",
        "body",
    ),
    "label": (
        "class",
        "category",
        "target",
        "intent",
        "sentiment",
        "topic",
        "labels",
        "label_text",
        "y",
    ),
    "summary": ("highlights", "abstract", "headline", "summaries", "target"),
    "source": ("src", "source_text", "input", "input_text"),
    "target": ("tgt", "trg", "target_text", "output", "output_text"),
    "file": ("path", "filename", "file_name", "image", "audio"),
}
LANGUAGES = {
    "cs": ("czech",),
    "de": ("german", "deutsch"),
    "en": ("english",),
    "es": ("spanish",),
    "fr": ("french",),
    "it": ("italian",),
    "ja": ("japanese",),
    "nl": ("dutch",),
    "pl": ("polish",),
    "pt": ("portuguese",),
    "ru": ("russian",),
    "zh": ("chinese",),
}
_CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,8})?")


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of text that are read when they are asked for.

    Args:
        where: string, what messages call the table.
        names: list of strings, the columns that it has.
        read: function from a list of such names to a list of lists of
            strings, one for each column.
    """

    where: str
    names: list
    read: Callable


def read_columns(table, columns):
    """Reads columns by their names, or by what they are for.

    Args:
        table: a `Table`.
        columns: list of names. Or a dictionary from what a column is for,
            such as `"label"`, to its name; where the table has no such name,
            and the name is what the column is for or a language, other usual
            names are looked for.

    Returns:
        List with a list of strings for each column.

    Raises:
        MissingColumn: names the column and lists those found.
        DataError: if a name comes twice, or for two purposes.
    """
    if not isinstance(columns, dict):
        return table.read([_exact(table, name) for name in columns])
    found = {}
    for role, name in columns.items():
        found[role] = _find(table, role, name)
    for role, name in found.items():
        others = [x for x in found if x != role and found[x] == name]
        if others:
            raise MissingColumn(
                f"{table.where} has one column, {name!r}, for {role} and "
                f"{others[0]}; it has: {listing(table.names)}.",
                role=role,
            )
    return table.read(list(found.values()))


def _exact(table, name, role=None):
    count = table.names.count(name)
    if count == 1:
        return name
    if count:
        raise DataError(
            f"{table.where} has several columns {name!r}; it has: "
            f"{listing(table.names)}."
        )
    raise MissingColumn(
        f"{table.where} has no column {name!r}; it has: "
        f"{listing(table.names)}.{did_you_mean(name, table.names)}",
        role=role,
    )


def _find(table, role, name):
    """The column for a role: of this name, or of another usual one."""
    if name in table.names:
        return _exact(table, name, role)
    for usual in _usual_names(role, name):
        found = [x for x in table.names if _simple(x) in usual]
        if len(found) > 1:
            raise MissingColumn(
                f"{table.where} has no column {name!r}, and several that may "
                f"be the {role}: {listing(found)}.",
                role=role,
            )
        if found:
            return found[0]
    return _exact(table, name, role)


def _usual_names(role, name):
    """Lists of names to look for, those of one list equally good."""
    if name == role:
        return [(name,), USUAL.get(role, ())]
    if role in ("source", "target") and _CODE.fullmatch(name):
        code = _simple(name)
        names = (code, *LANGUAGES.get(code.partition("_")[0], ()))
        return [names, (role,), USUAL[role]]
    return []


def _simple(name):
    """A name without what it lies within, in lower case."""
    return re.sub(r"[\s-]+", "_", name.rpartition("/")[2].strip().lower())
