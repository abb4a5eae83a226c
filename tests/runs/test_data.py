"""Data sets as recipes are told of them."""

import dataclasses

import pytest

from keras_attention.data import load_columns
from keras_attention.runs.checks import UsageError
from keras_attention.runs.data import (
    check_dataset,
    check_shares,
    choose_shares,
    load_split,
    load_splits,
)
from keras_attention.runs.options import RunOptions


def load(config, dataset, split):
    columns = {"text": "text", "label": "label"}
    return load_columns(dataset, split, columns)


@pytest.fixture
def reviews(tmp_path):
    rows = [f"text {index},{index % 2}\n" for index in range(300)]
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(rows))
    return path


def options(dataset, **given):
    config = RunOptions(dataset=str(dataset), **given)
    check_shares(config)
    choose_shares(config)
    return config


def test_one_file_is_divided_into_three_with_a_note(reviews, capsys):
    config = options(reviews)
    assert (config.validation_share, config.test_share) == (0.1, 0.1)
    assert "10% of its rows validate and 10% test" in capsys.readouterr().err
    parts = load_splits(config, load)
    parts["test"] = load_split(config, "", "test", load)
    texts = [set(parts[name][0]) for name in parts]
    assert sum(map(len, texts)) == 300 == len(set.union(*texts))
    assert [len(x) for x in texts] == [len(x[0]) for x in parts.values()]
    assert all(len(x) > 10 for x in texts)
    # What evaluates finds the same rows by the options that were saved.
    again = RunOptions(**dataclasses.asdict(config))
    for name in parts:
        assert load_split(again, "", name, load) == parts[name]


def test_another_file_is_scored_whole(reviews, tmp_path):
    more = tmp_path / "more.csv"
    more.write_text("label,text\n1,a\n0,b\n")
    config = options(reviews)
    assert load_split(config, str(more), "test", load)[0] == ["a", "b"]
    with pytest.raises(UsageError, match="--split names a part"):
        load_split(config, str(more), "dev", load)


def test_a_share_that_was_not_held_out_is_no_test(reviews):
    config = options(reviews, validation_share=0.2)
    assert config.test_share == 0
    with pytest.raises(UsageError, match="train with --test-share"):
        load_split(config, "", "test", load)
    with pytest.raises(UsageError, match="has no split 'more'"):
        load_split(config, "", "more", load)


def test_folders_of_one_split_are_divided_and_others_are_not(reviews, capsys):
    folder = reviews.parent
    reviews.rename(folder / "train.csv")
    assert options(f"files:{folder}").validation_share == 0.1
    (folder / "test.csv").write_text("text,label\na,0\n")
    config = options(f"files:{folder}")
    assert not config.validation_share
    with pytest.raises(UsageError, match="--validation-share 0.1 takes"):
        load_splits(config, load)
    (folder / "dev.csv").write_text("text,label\nb,1\n")
    parts = load_splits(config, load)
    assert len(parts["train"][0]) == 300 and parts["validation"][0] == ["b"]
    assert load_split(config, "", "test", load)[0] == ["a"]


def test_a_column_that_is_missing_is_asked_for_by_its_flag(reviews):
    reviews.write_text("words,label\na,1\n")
    with pytest.raises(UsageError, match="has: words, label. Name it with --t"):
        load_splits(options(reviews), load)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"validation_share": 1.0}, "--validation-share must be"),
        ({"validation_share": 0.6, "test_share": 0.4}, "must leave rows"),
        ({"validation_split": "dev"}, "--validation-split names a part"),
        ({"train_split": "all"}, "--train-split names a part"),
    ],
)
def test_shares_and_splits_that_do_not_fit_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        options("x.csv", **given)


def test_shares_that_leave_nothing_name_their_flags(reviews):
    config = options(reviews, validation_share=1e-6)
    with pytest.raises(UsageError, match="none of 300 rows .*--validation-sh"):
        load_splits(config, load)


def test_an_unknown_data_set_names_its_flag():
    with pytest.raises(UsageError, match="^--dataset must be demo, files:"):
        check_dataset("x")
