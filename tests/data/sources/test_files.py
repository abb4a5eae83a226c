import gzip
import re
import warnings

import pytest

from keras_attention.data import DataError, load_parallel


def write(folder, name, content):
    content = content if isinstance(content, bytes) else content.encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    (folder / name).write_bytes(content)


def load(folder, split="train", source="en", target="de"):
    return load_parallel(f"files:{folder}", split, source, target)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_lines_pair_up(tmp_path, ending, last):
    write(tmp_path, f"train.en{ending}", f"a cat\ntwo{last}")
    write(tmp_path, "train.de", f"eine Katze\nzwei{last}")
    assert load(tmp_path) == (["a cat", "two"], ["eine Katze", "zwei"])
    assert load(tmp_path, source="de", target="en") == (
        ["eine Katze", "zwei"],
        ["a cat", "two"],
    )


def test_suffixes_may_hold_dots(tmp_path):
    write(tmp_path, "train.lc.tok.en.gz", "x\n")
    write(tmp_path, "train.lc.tok.de.gz", "y\n")
    write(tmp_path, "train.de", "another\n")
    assert load(tmp_path, "train", "lc.tok.en", "lc.tok.de") == (["x"], ["y"])


def test_only_a_newline_ends_a_line(tmp_path):
    odd = "one\x0btwo\x0cthree\u2028four\x85five\rsix\x1cseven"
    write(tmp_path, "train.en", f"{odd}\nb\n")
    write(tmp_path, "train.de", "1\n2\n")
    assert load(tmp_path) == ([odd, "b"], ["1", "2"])


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev"])
def test_validation_goes_by_other_names(tmp_path, name):
    write(tmp_path, f"{name}.en", "a\n")
    write(tmp_path, f"{name}.de", "b\n")
    assert load(tmp_path, "validation") == (["a"], ["b"])


def test_both_sides_of_validation_have_one_name(tmp_path):
    for name in ("val.en", "dev.en", "dev.de"):
        write(tmp_path, name, f"{name}\n")
    assert load(tmp_path, "validation") == (["dev.en"], ["dev.de"])
    (tmp_path / "dev.en").unlink()
    with pytest.raises(DataError, match=r"val has en; dev has de"):
        load(tmp_path, "validation")


@pytest.mark.parametrize("split", ["test", "val", "eval"])
def test_other_splits_go_by_their_own_name_only(tmp_path, split):
    for name in ("validation", "dev", "test_2016"):
        write(tmp_path, f"{name}.en", "a\n")
        write(tmp_path, f"{name}.de", "b\n")
    with pytest.raises(DataError, match=f"no {split}.en"):
        load(tmp_path, split)


def test_a_plain_file_comes_before_its_archive(tmp_path):
    for side in ("en", "de"):
        write(tmp_path, f"train.{side}", "plain\n")
        write(tmp_path, f"train.{side}.gz", "archive\n")
    assert load(tmp_path) == (["plain"], ["plain"])


def test_pairs_with_a_blank_side_are_dropped_and_counted(tmp_path):
    write(tmp_path, "train.en", "a\n\nc\n \t\ne\n")
    write(tmp_path, "train.de", "1\n2\n\u00a0\n\n5\n")
    with pytest.warns(UserWarning) as caught:
        assert load(tmp_path) == (["a", "e"], ["1", "5"])
    assert len(caught) == 1
    assert "Dropped 3 of 5 pairs" in str(caught[0].message)


def test_whole_text_brings_no_warning(tmp_path):
    write(tmp_path, "train.en", "a\n")
    write(tmp_path, "train.de", "1\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path)


def assert_refused(folder, *parts, **arguments):
    with pytest.raises(DataError) as caught:
        load(folder, **arguments)
    for part in parts:
        assert re.search(part, str(caught.value)), str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    assert_refused(tmp_path / "nowhere", "no folder .*nowhere")


def test_a_missing_file_is_named_beside_what_is_there(tmp_path):
    assert_refused(tmp_path, "no train.en", "no files")
    write(tmp_path, "training.en", "a\n")
    write(tmp_path, "README", "a\n")
    assert_refused(tmp_path, "no train.en", "README, training.en")


def test_a_missing_suffix_is_named_beside_those_there(tmp_path):
    write(tmp_path, "train.en.gz", "a\n")
    write(tmp_path, "train.tok.de", "b\n")
    assert_refused(tmp_path, "'de' are not both", "train has en, tok.de")


def test_files_of_unequal_length_are_refused(tmp_path):
    write(tmp_path, "train.en.gz", "a\nb\nc\n")
    write(tmp_path, "train.de", "1\n2\n3\n4\n5\n")
    assert_refused(
        tmp_path,
        "train.en.gz has 3 lines",
        "train.de has 5",
        "line 4 of train.de",
    )
    assert_refused(tmp_path, "line 4 of train.de", source="de", target="en")


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    write(tmp_path, "train.en", "a\nb\nc\n")
    write(tmp_path, "train.de", b"eins\nzwei\nf\xfcnf\n")
    assert_refused(tmp_path, "train.de", "not UTF-8", "line 3", "0xfc")


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_empty_files_are_refused(tmp_path, content, ending):
    write(tmp_path, f"train.en{ending}", content)
    write(tmp_path, "train.de", "1\n")
    assert_refused(tmp_path, rf"train.en{ending}' is empty")


def test_pairs_that_are_all_blank_are_refused(tmp_path):
    write(tmp_path, "train.en", "a\n\n")
    write(tmp_path, "train.de", "\nb\n")
    assert_refused(tmp_path, "No pair of sentences")


def test_damaged_archives_are_refused(tmp_path):
    write(tmp_path, "train.de", "1\n")
    archive = gzip.compress(b"some text\n" * 50)
    flipped = bytearray(archive)
    flipped[20] ^= 255
    for content in (archive[:-3], archive[:15], b"plain text\n", flipped):
        (tmp_path / "train.en.gz").write_bytes(content)
        assert_refused(tmp_path, "train.en.gz", "not a complete gzip")


def test_line_ends_and_marks_of_windows_are_left_out(tmp_path):
    write(tmp_path, "train.en", "\ufeffone\r\ntwo\r\n".encode())
    write(tmp_path, "train.de", b"eins\r\nzwei")
    assert load(tmp_path) == (["one", "two"], ["eins", "zwei"])
