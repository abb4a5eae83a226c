"""The data sets that recipes are told of, and shares held out of them.

Every recipe has one function `load(config, dataset, split)`, which gives the
columns of a split: what the model reads, and what it is to answer.
"""

import dataclasses
import sys

from keras_attention.data.errors import DataError, MissingColumn, MissingSplit
from keras_attention.data.sources.held_out import PARTS, hold_out, take
from keras_attention.data.sources.named import is_undivided, split_name
from keras_attention.data.sources.tables import is_table
from keras_attention.runs.checks import UsageError, check_numbers

TEST = "test"
OF_UNDIVIDED = 0.1  # validates, and as much tests, where nothing is given


def check_dataset(dataset, demos=("demo",)):
    """Refuses a name of a data set that is none."""
    try:
        split_name(dataset, demos)
    except DataError as error:
        raise UsageError(f"--{error}") from error


def check_shares(config):
    """Refuses shares that leave nothing, or that go against a split.

    Args:
        config: the options of training (`RunOptions`).

    Raises:
        UsageError: for the first such option.
    """
    shares = "validation_share", "test_share"
    check_numbers(config, *shares, at_least=0, below=1)
    if config.validation_share + config.test_share >= 1:
        raise UsageError(
            "--validation-share and --test-share must leave rows to train "
            f"with. Received: {config.validation_share} and "
            f"{config.test_share}"
        )
    if is_table(config.dataset):
        for name in ("train_split", "validation_split"):
            if not _is_default(config, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} names a part of a divided "
                    f"data set, and {config.dataset} is one file. Give "
                    "--validation-share and --test-share."
                )
    if config.validation_share and not _is_default(config, "validation_split"):
        raise UsageError(
            "Give --validation-split or --validation-share, not both."
        )


def choose_shares(config):
    """Holds out shares of a data set that has one split alone.

    Args:
        config: the options of training; its shares are filled in.
    """
    if config.validation_share:
        return
    splits = [config.validation_split, TEST]
    is_named = not _is_default(config, "validation_split")
    if is_named or not is_undivided(config.dataset, splits):
        return
    config.validation_share = OF_UNDIVIDED
    tested = ""
    if not config.test_share:
        config.test_share = OF_UNDIVIDED
        tested = f" and {OF_UNDIVIDED:.0%} test"
    print(
        f"note: {config.dataset} is not divided: {OF_UNDIVIDED:.0%} of its "
        f"rows validate{tested} (--validation-share, --test-share)",
        file=sys.stderr,
    )


def load_splits(config, load, by_class=False):
    """Loads the data of training and validation.

    Args:
        config: the options of training (`RunOptions`).
        load: function of `config`, the dataset and the split, which returns
            columns: inputs and what belongs to them.
        by_class: whether the second column are classes, of which training
            has one row at least.

    Returns:
        Dictionary from `"train"` and `"validation"` to such columns.
    """
    columns = _load(config, load, config.dataset, config.train_split)
    parts = {"train": columns}
    if config.validation_share or config.test_share:
        parts = _divide(config, columns, by_class)
    if not config.validation_share:
        name = config.validation_split
        parts["validation"] = _load(config, load, config.dataset, name)
    return {split: parts[split] for split in ("train", "validation")}


def load_split(config, dataset, split, load, by_class=False):
    """Loads the data that a finished run is scored on.

    Args:
        config: the options of training.
        dataset: string, another data set than that of the run, or empty.
        split: string. Of the run's own data set, a share that was held out
            goes by the name of its split.
        load, by_class: as of `load_splits`.

    Returns:
        Columns as `load` gives them.
    """
    dataset = dataset or config.dataset
    part = None
    if dataset == config.dataset:
        part = _part(config, split)
    elif is_table(dataset) and split != TEST:
        raise UsageError(
            "--split names a part of a divided data set, and "
            f"{dataset} is one file, which is scored whole."
        )
    if part is None:
        return _load(config, load, dataset, split)
    columns = _load(config, load, dataset, config.train_split)
    return _divide(config, columns, by_class)[part]


def _part(config, split):
    """The part of the rows of training that a split is; None for others."""
    has_shares = config.validation_share or config.test_share
    if has_shares and split == config.train_split:
        return PARTS[0]
    if config.validation_share and split == config.validation_split:
        return PARTS[1]
    if config.test_share and split == TEST:
        return PARTS[2]
    if is_table(config.dataset):
        raise UsageError(
            f"{config.dataset} is one file and has no split {split!r}; for a "
            "test, train with --test-share, or name another file with "
            "--dataset."
        )
    return None


def _divide(config, columns, by_class):
    try:
        rows = hold_out(
            columns[0],
            config.validation_share,
            config.test_share,
            columns[1] if by_class else None,
        )
    except DataError as error:
        raise UsageError(
            f"{error} (--validation-share, --test-share)"
        ) from error
    return {
        part: tuple(take(column, rows[part]) for column in columns)
        for part in PARTS
    }


def _load(config, load, dataset, split):
    try:
        return load(config, dataset, split)
    except MissingColumn as error:
        if error.role is None:
            raise
        raise UsageError(f"{error} Name it with --{error.role}.") from error
    except MissingSplit as error:
        flag = {config.validation_split: "validation", TEST: TEST}.get(split)
        if flag is None:
            raise
        raise UsageError(
            f"{error} Training with --{flag}-share 0.1 takes a part of its "
            "own rows instead."
        ) from error


def _is_default(config, name):
    fields = {x.name: x.default for x in dataclasses.fields(config)}
    return getattr(config, name) == fields[name]
