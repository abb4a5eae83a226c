"""Examples from a source that one string names."""

import warnings
from pathlib import Path

from keras_attention.checks import did_you_mean
from keras_attention.data.errors import DataError
from keras_attention.data.sources.columns import Table, read_columns
from keras_attention.data.sources.demo import load_demo
from keras_attention.data.sources.files import (
    ALIASES,
    find_files,
    load_files,
)
from keras_attention.data.sources.hugging_face import open_dataset
from keras_attention.data.sources.tables import (
    ENDINGS,
    find_table,
    is_table,
    open_table,
)
from keras_attention.data.sources.tfds import (
    feature_names,
    load_features,
    load_texts,
)
from keras_attention.data.tokenizers.texts import is_blank

KINDS = ("files", "tfds", "hf")  # what stands before a colon


def split_name(dataset, demos=()):
    """Tells what kind of source a data set's name is of.

    Args:
        dataset: string: one of `demos`, the name of a file that ends as
            tables do, or `"files:FOLDER"`, `"tfds:NAME"` or `"hf:NAME"`.
        demos: names of sources that are made on the spot.

    Returns:
        `(kind, name)`: `"demo"`, `"file"`, `"files"`, `"tfds"` or `"hf"`, and
        what remains of the name.

    Raises:
        DataError: for anything else, with the nearest that is known.
    """
    kind, _, name = dataset.partition(":")
    if dataset in demos:
        return "demo", dataset
    if kind in KINDS and name:
        return kind, name
    if is_table(dataset):
        return "file", dataset
    known = [*demos, *(f"{kind}:{name}" for kind in KINDS)]
    hint = did_you_mean(dataset, known)
    if Path(dataset).is_dir() and dataset:
        hint = f" Did you mean {f'files:{dataset}'!r}?"
    raise DataError(
        f"dataset must be {''.join(f'{x}, ' for x in demos)}files:FOLDER, "
        f"tfds:NAME, hf:NAME, or a file that ends in {', '.join(ENDINGS)}, "
        f"plain or .gz. Received: {dataset!r}.{hint}"
    )


def load_parallel(dataset, split, source_language, target_language):
    """Loads sentences and their translations.

    `dataset` names the source:

    - `"demo"`: numbers in words, made on the spot; languages `en`, `de`, `fr`.
    - `"files:FOLDER"`: one sentence a line in `FOLDER/{split}.{language}`,
      plain or gzip. Any suffix serves as a language, dots included. Or a table
      `FOLDER/{split}.csv`, as of `load_columns`.
    - `"tfds:NAME"`: a translation set of TensorFlow Datasets, for example
      `"tfds:wmt14_translate/de-en"`. `TFDS_DATA_DIR` says where such sets lie.
    - A table in a file, or `"hf:NAME"`, as of `load_columns`. The languages
      are its columns, which may also go by the names of the languages, or be
      called `source` and `target`.

    Pairs with an empty or blank side, one of control characters included, are
    dropped, with one warning that counts them.

    Args:
        dataset: String, the source as above.
        split: String, for example `"train"`, `"validation"` or `"test"`. In
            files, `"validation"` also finds `val`, `valid` and `dev`.
        source_language: String, the language to translate from.
        target_language: String, the language to translate to.

    Returns:
        Two lists of strings of one length: the sentences and their
        translations, in the order of the source.

    Raises:
        DataError: If the source, the split or a language is unknown, or a file
            is missing, damaged or of another length than its partner.
    """
    if source_language == target_language:
        raise DataError(
            "The source and the target must be two languages. Received: "
            f"{source_language!r} for both"
        )
    languages = source_language, target_language
    kind, name = split_name(dataset, demos=("demo",))
    if kind == "demo":
        pairs = load_demo(split, *languages)
    elif kind == "tfds":
        pairs = load_texts(name, split, *languages)
    elif kind == "files" and not _is_table_alone(name, split, languages):
        pairs = load_files(name, split, *languages)
    else:
        columns = dict(zip(("source", "target"), languages, strict=True))
        pairs = read_columns(_open(kind, name, split, columns), columns)
    sources, targets = _drop_blank(
        pairs,
        _where(kind, dataset, split),
        ("pair of sentences", "pairs", "one side or both are blank"),
    )
    return sources, targets


def load_columns(dataset, split, columns):
    """Loads columns of a table.

    `dataset` names the source:

    - A file, such as `"reviews.csv"`: CSV, TSV (both with quoting), JSON with
      one object a line (`.jsonl`, `.json`), Parquet, or text with one column
      `text`, a line each; plain or gzip. It is whole, whatever the split.
      Columns are those of the header, or the keys of the objects. Numbers
      counted from `"1"` say that CSV, TSV or text has no header.
    - `"files:FOLDER"`: such a file of the split's name, `FOLDER/{split}.csv`.
    - `"tfds:NAME"`: a set of TensorFlow Datasets, for example `"tfds:samsum"`.
      Columns are its features, those within others as `"outer/inner"`: text,
      class labels by their names, and numbers. `TFDS_DATA_DIR` says where
      such sets lie.
    - `"hf:NAME"`: a set that the `datasets` library finds on the Hugging Face
      hub, in its cache or in a folder.

    Rows with an empty or blank value in one of the columns, one of control
    characters included, are dropped, with one warning that counts them.

    Args:
        dataset: String, the source as above.
        split: String, for example `"train"`, `"validation"` or `"test"`. In
            files, `"validation"` also finds `val`, `valid` and `dev`.
        columns: List of strings. Or a dictionary from what a column is for
            (`"text"`, `"label"`, `"summary"`, `"source"`, `"target"` or
            `"file"`) to its name. A column that is called as what it is for
            is also found by other usual names: a label as `class`.

    Returns:
        A list of strings for each column, all of one length, in the order of
        the source. Text may hold newlines.

    Raises:
        DataError: If the source, the split or a column is unknown, or a file
            is missing or damaged.
    """
    if isinstance(columns, str) or not columns:
        raise ValueError(
            "`columns` must be a list of at least one name. "
            f"Received: columns={columns!r}"
        )
    kind, name = split_name(dataset)
    values = read_columns(_open(kind, name, split, columns), columns)
    found = columns.values() if isinstance(columns, dict) else columns
    names = " or ".join(repr(column) for column in found)
    return _drop_blank(
        values,
        _where(kind, dataset, split),
        ("row", "rows", f"{names} is blank"),
    )


def is_undivided(dataset, splits):
    """Whether a data set in files has none of these splits.

    Args:
        dataset: string, as of `load_columns`.
        splits: list of strings.

    Returns:
        True for a single file, and for a folder of neither files nor folders
        with such names; else False.
    """
    kind, _, name = dataset.partition(":")
    if kind != "files":
        return is_table(dataset) and kind not in KINDS
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return False
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    return not any(
        names.intersection(ALIASES.get(split, (split,))) for split in splits
    )


def _is_table_alone(folder, split, languages):
    """Whether a folder has a table of a split, and no files of both sides."""
    for find, arguments in ((find_table, ()), (find_files, languages)):
        try:
            find(folder, split, *arguments)
        except DataError:
            return find is find_files
    return False


def _open(kind, name, split, columns):
    names = list(columns.values() if isinstance(columns, dict) else columns)
    if kind == "file":
        return open_table(name, names)
    if kind == "files":
        return open_table(find_table(name, split), names)
    if kind == "hf":
        return open_dataset(name, split)
    return Table(
        repr(name),
        # Those asked for by names alone are checked where they are loaded.
        feature_names(name) if isinstance(columns, dict) else names,
        lambda found: load_features(name, split, found),
    )


def _where(kind, dataset, split):
    return dataset if kind == "file" else f"{dataset}, split {split!r}"


def _drop_blank(columns, where, words):
    """Leaves out rows with a blank value; `words` name and explain them."""
    one, many, reason = words
    rows = list(zip(*columns, strict=True))
    kept = [row for row in rows if not any(map(is_blank, row))]
    if not kept:
        none = "all are blank" if rows else "it is empty"
        raise DataError(f"No {one} in {where}: {none}.")
    if len(kept) < len(rows):
        warnings.warn(
            f"Dropped {len(rows) - len(kept)} of {len(rows)} {many} in "
            f"{where}: {reason}.",
            stacklevel=3,
        )
    return [list(column) for column in zip(*kept, strict=True)]
