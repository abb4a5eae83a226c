import gzip
import json
import re
import warnings

import pytest

from keras_attention.data import DataError, load_columns


def write(folder, name, content):
    content = content if isinstance(content, bytes) else content.encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    (folder / name).write_bytes(content)


def load(folder, columns=("text", "label"), split="train"):
    return load_columns(f"files:{folder}", split, list(columns))


TEXTS, LABELS = ["a cat", "two\u2028lines \x85"], ["0", "1"]
NAMED = "label\ttext\tid\n0\ta cat\tx\n1\ttwo\u2028lines \x85\t\n"
NUMBERED = NAMED.partition("\n")[2]
JSON = "".join(
    json.dumps({"id": None, "label": int(label), "text": text}) + "\n"
    for text, label in zip(TEXTS, LABELS, strict=True)
)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "name, content, columns",
    [
        ("train.tsv", NAMED, ("text", "label")),
        ("train.tsv", NUMBERED, ("2", "1")),
        ("train.jsonl", JSON, ("text", "label")),
        ("train.json", JSON, ("text", "label")),
    ],
)
def test_columns_come_in_the_order_asked_for(
    tmp_path, name, content, columns, ending
):
    write(tmp_path, f"{name}{ending}", content)
    assert load(tmp_path, columns) == [TEXTS, LABELS]
    assert load(tmp_path, columns[::-1]) == [LABELS, TEXTS]
    assert load(tmp_path, columns[:1]) == [TEXTS]


def test_values_of_json_are_strings_as_they_stand_there(tmp_path):
    values = ["0", "-1.50", "1e5", "true", "false", '"a\\nb\\r\\n\\u2603"']
    write(
        tmp_path,
        "train.jsonl",
        "".join(f'{{"text": {value}}}\n' for value in values),
    )
    expected = ["0", "-1.50", "1e5", "true", "false", "a\nb\r\n\u2603"]
    assert load(tmp_path, ["text"]) == [expected]


def test_nan_in_a_column_that_is_not_asked_for_spoils_nothing(tmp_path):
    write(tmp_path, "train.jsonl", '{"text": "a", "score": NaN}\n')
    assert load(tmp_path, ["text"]) == [["a"]]


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev"])
def test_validation_goes_by_other_names(tmp_path, name):
    write(tmp_path, f"{name}.tsv.gz", NAMED)
    assert load(tmp_path, split="validation") == [TEXTS, LABELS]


def test_windows_line_ends_are_left_out(tmp_path):
    write(tmp_path, "train.tsv", "\ufefftext\tlabel\r\na\t1\r\n")
    assert load(tmp_path) == [["a"], ["1"]]


@pytest.mark.parametrize("ending", ["\n", "\n\n", "\n \r\n\n"])
def test_blank_lines_at_the_end_are_left_out(tmp_path, ending):
    write(tmp_path, "train.tsv", "a\tb\n1\t2" + ending)
    assert load(tmp_path, ["b"]) == [["2"]]
    write(tmp_path, "test.jsonl", '{"a": 1}' + ending)
    assert load(tmp_path, ["a"], split="test") == [["1"]]


def test_quotes_mean_nothing_in_tab_separated_values(tmp_path):
    write(tmp_path, "train.tsv", '"a\t0\nb"\t1\n')
    assert load(tmp_path, ["1", "2"]) == [['"a', 'b"'], ["0", "1"]]


def test_rows_with_a_blank_value_are_dropped_and_counted(tmp_path):
    write(tmp_path, "train.tsv", "a\t0\tx\n\t1\tx\n \t1\tx\nb\t2\t\n")
    with pytest.warns(UserWarning) as caught:
        assert load(tmp_path, ["1", "2"]) == [["a", "b"], ["0", "2"]]
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "Dropped 2 of 4 rows" in message and "'1' or '2'" in message
    blank = ("null", '" "', '"\\u0000"', '"\\u0000 \\u0001\\u007f\\n"')
    rows = "".join(f'{{"text": {value}}}\n' for value in blank)
    write(tmp_path, "test.jsonl", rows)
    with pytest.raises(DataError, match=r"No row in .*test'?: all are blank"):
        load(tmp_path, ["text"], "test")


def test_whole_rows_bring_no_warning(tmp_path):
    write(tmp_path, "train.tsv", NUMBERED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path, ["1", "2"])


BAD = {
    "unknown name": ("train.tsv", NAMED, "no column 'x'; it has: label, text"),
    "number": ("train.tsv", NUMBERED, "no column '4'; it has: 1, 2, 3"),
    "name twice": ("train.tsv", "x\tx\n1\t2\n", "several columns 'x'"),
    "few fields": ("train.tsv", "x\ty\n1\n", "Line 2 of .*train.tsv.* 1 field"),
    "many fields": ("train.tsv", "x\n1\n1\t2\n", "Line 3 .*has 2 fields"),
    "no rows": ("train.tsv", "x\ty\n", "No row in .*: it is empty"),
    "empty": ("train.tsv", "", "is empty"),
    "unknown key": ("train.jsonl", JSON, "Line 1 .*'x'; it has: id, label"),
    "no JSON": ("train.jsonl", '{"x": 1}\n{"x": \n', "Line 2 .*is not JSON"),
    "no object": ("train.json", "[\n", "Line 1 .*is not JSON"),
    "array": ("train.json", "[1, 2]\n", "Line 1 .*not a JSON object"),
    "key lacks": ("train.jsonl", '{"x": 1}\n{"y": 1}\n', "Line 2 .*has: y"),
    "list": ("train.jsonl", '{"x": [1]}\n', "Line 1 .*a list in .*'x'"),
    "object": ("train.jsonl", '{"x": {}}\n', "Line 1 .*an object in"),
    "key twice": ("train.jsonl", '{"x": 1, "x": 2}\n', "Line 1 .*'x' twice"),
    "deep": ("train.jsonl", f"{'[' * 9999}\n", "Line 1 .*nested more than"),
    "NaN": ("train.jsonl", '{"x": NaN}\n', "Line 1 .*nan in the column 'x'"),
    "surrogate": ("train.jsonl", '{"x": "\\ud800"}\n', "Line 1 .*a character"),
    "not UTF-8": ("train.jsonl", b'{"x": 1}\n\xff\n', "line 2"),
    "no file": ("training.tsv", "x\n", "train.tsv or .*It holds: training.tsv"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path, case):
    name, content, message = BAD[case]
    write(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        load(tmp_path, ["4"] if case == "number" else ["x"])
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no folder .*nowhere"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("dataset", ["demo", "", "file:x", "files:", "tfds:"])
def test_an_unknown_source_is_refused(dataset):
    with pytest.raises(DataError, match="'files:FOLDER' or 'tfds:NAME'"):
        load_columns(dataset, "train", ["text"])


@pytest.mark.parametrize("columns", [[], "text"])
def test_columns_are_a_list_of_names(tmp_path, columns):
    with pytest.raises(ValueError, match="must be a list of at least one"):
        load_columns(f"files:{tmp_path}", "train", columns)
