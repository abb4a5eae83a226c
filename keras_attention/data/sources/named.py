"""Examples from a source that one string names."""

import warnings

from keras_attention.data.errors import DataError
from keras_attention.data.sources.demo import load_demo
from keras_attention.data.sources.files import load_files
from keras_attention.data.sources.tables import load_table
from keras_attention.data.sources.tfds import load_features, load_texts
from keras_attention.data.tokenizers.base import is_blank


def load_parallel(dataset, split, source_language, target_language):
    """Loads sentences and their translations.

    `dataset` names the source:

    - `"demo"`: numbers in words, made on the spot; languages `en`, `de`, `fr`.
    - `"files:FOLDER"`: one sentence a line in `FOLDER/{split}.{language}`,
      plain or gzip. Any suffix serves as a language, dots included.
    - `"tfds:NAME"`: a translation set of TensorFlow Datasets, for example
      `"tfds:wmt14_translate/de-en"`. `TFDS_DATA_DIR` says where such sets lie.

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
    kind, _, name = dataset.partition(":")
    if dataset == "demo":
        pairs = load_demo(split, source_language, target_language)
    elif kind == "files" and name:
        pairs = load_files(name, split, source_language, target_language)
    elif kind == "tfds" and name:
        pairs = load_texts(name, split, source_language, target_language)
    else:
        raise DataError(
            "`dataset` must be 'demo', 'files:FOLDER' or 'tfds:NAME'. "
            f"Received: dataset={dataset!r}"
        )
    sources, targets = _drop_blank(
        pairs,
        f"{dataset}, split {split!r}",
        ("pair of sentences", "pairs", "one side or both are blank"),
    )
    return sources, targets


def load_columns(dataset, split, columns):
    """Loads columns of a table.

    `dataset` names the source:

    - `"files:FOLDER"`: `FOLDER/{split}.tsv`, or `.jsonl` or `.json` with one
      object a line, plain or gzip. Columns are the keys of the objects; of
      tab-separated values, the names in the first line, or numbers counted
      from `"1"`, which say that the file has no such line.
    - `"tfds:NAME"`: a set of TensorFlow Datasets, for example `"tfds:samsum"`.
      Columns are its features, those within others as `"outer/inner"`: text,
      class labels by their names, and numbers. `TFDS_DATA_DIR` says where
      such sets lie.

    Rows with an empty or blank value in one of the columns, one of control
    characters included, are dropped, with one warning that counts them.

    Args:
        dataset: String, the source as above.
        split: String, for example `"train"`, `"validation"` or `"test"`. In
            files, `"validation"` also finds `val`, `valid` and `dev`.
        columns: List of strings.

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
    kind, _, name = dataset.partition(":")
    if kind == "files" and name:
        values = load_table(name, split, columns)
    elif kind == "tfds" and name:
        values = load_features(name, split, columns)
    else:
        raise DataError(
            "`dataset` must be 'files:FOLDER' or 'tfds:NAME'. "
            f"Received: dataset={dataset!r}"
        )
    names = " or ".join(repr(column) for column in columns)
    return _drop_blank(
        values,
        f"{dataset}, split {split!r}",
        ("row", "rows", f"{names} is blank"),
    )


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
