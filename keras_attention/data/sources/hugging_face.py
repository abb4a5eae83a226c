"""Tables that the `datasets` library of Hugging Face reads."""

from pathlib import Path
from textwrap import shorten

from keras_attention import optional
from keras_attention.checks import did_you_mean
from keras_attention.data.errors import DataError, MissingSplit
from keras_attention.data.sources.columns import Table
from keras_attention.data.sources.files import ALIASES
from keras_attention.data.sources.parquet import as_string

MESSAGE = 400  # characters kept of an error inside the library


def open_dataset(name, split):
    """Opens a split of a data set of the `datasets` library.

    Args:
        name: name on the Hugging Face hub, such as `"imdb"`, which is
            downloaded unless it is in the library's cache, or path of a
            folder: one that `save_to_disk` has written, or one of files. A
            comma and the name of a configuration may follow:
            `"nyu-mll/glue,sst2"`.
        split: split name; `"validation"` also finds `val`, `valid` and `dev`.

    Returns:
        A `Table`. Columns within others are `outer/inner`; class labels are
        their names.

    Raises:
        MissingSplit: if there is no such split.
        DataError: if there is no such set, or it cannot be read.
    """
    library = optional.load("datasets", "'hf:'")
    found = _load(library, name)
    if not isinstance(found, dict):  # one that was saved without splits
        found = {"train": found}
    aliases = ALIASES.get(split, (split,))
    chosen = next((x for x in aliases if x in found), None)
    if chosen is None:
        raise MissingSplit(
            f"'hf:{name}' has no split {split!r}; it has: "
            f"{', '.join(found)}.{did_you_mean(split, found)}"
        )
    return _table(library, name, found[chosen])


def _load(library, name):
    path, _, configuration = name.partition(",")
    folder = Path(path).expanduser()
    if folder.is_dir():
        path = str(folder)
    try:
        for mark in ("dataset_dict.json", "state.json"):
            if (folder / mark).is_file():
                return library.load_from_disk(path)
        return library.load_dataset(path, configuration or None)
    except Exception as error:  # of any kind: it reads anyone's files
        reason = shorten(str(error), MESSAGE, placeholder=" ...")
        raise DataError(
            f"The datasets library cannot load {name!r}: "
            f"{type(error).__name__}: {reason}"
        ) from error


def _table(library, name, dataset):
    columns = dict(_columns(library, dataset.features))
    where = f"'hf:{name}'"

    def read(names):
        found = []
        for column in names:
            outer, *parts = columns[column]
            feature = dataset.features[outer]
            values = dataset.with_format(None)[outer]
            for part in parts:
                feature = getattr(feature, "languages", None) or feature[part]
                values = [None if x is None else x[part] for x in values]
            classes = getattr(feature, "names", None)
            found.append([as_string(where, column, x, classes) for x in values])
        return found

    return Table(where, list(columns), read)


def _columns(library, features, before=()):
    """Yields the names of columns, and where their values lie."""
    for name, feature in features.items():
        place = (*before, name)
        if isinstance(feature, library.Translation):
            inner = dict.fromkeys(feature.languages)
            yield from _columns(library, inner, place)
        elif isinstance(feature, dict):
            yield from _columns(library, feature, place)
        else:
            yield "/".join(place), place
