import csv
import gzip
import io
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


QUOTED = [["text", "label"], ['say "hi",\nthen\tgo; ', "a"], ["", " b"]]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "name, separator", [("csv", ","), ("csv", ";"), ("tsv", "\t")]
)
def test_quoted_fields_are_those_that_the_csv_module_writes(
    tmp_path, name, separator, ending
):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator).writerows([*QUOTED, ["x", "y"]])
    write(tmp_path, f"train.{name}{ending}", buffer.getvalue())
    with pytest.warns(UserWarning, match="Dropped 1 of 3 rows"):
        assert load(tmp_path) == [[QUOTED[1][0], "x"], ["a", "y"]]
    path = tmp_path / f"train.{name}{ending}"
    found = load_columns(str(path), "any", ["label"])
    assert found == [["a", " b", "y"]]  # the file is whole in any split


def test_fields_may_be_long(tmp_path):
    text = "a, b " * 50_000
    write(tmp_path, "train.csv", f'text,label\n"{text}",1\n')
    assert load(tmp_path) == [[text], ["1"]]


@pytest.mark.parametrize(
    "content, expected",
    [
        ('"a\t0\nb\t1\n', [['"a', "b"], ["0", "1"]]),
        ('"a" dog\t0\nb\t1\n', [['"a" dog', "b"], ["0", "1"]]),
        ('"a\t0\nb" c\t1\n', [['"a', 'b" c'], ["0", "1"]]),
    ],
)
def test_quotes_that_do_not_pair_up_are_part_of_tab_separated_text(
    tmp_path, content, expected
):
    write(tmp_path, "train.tsv", content)
    with pytest.warns(UserWarning, match="do not pair up"):
        assert load(tmp_path, ["1", "2"]) == expected


def test_blank_lines_within_a_file_are_counted(tmp_path):
    files = {
        "train.csv": "text,label\na,1\n\nb,2\n",
        "train.tsv": "text\tlabel\na\t1\n \nb\t2\n",
        "train.jsonl": '{"text": "a", "label": 1}\n\n'
        '{"text": "b", "label": "2"}\n',
    }
    for name, content in files.items():
        write(tmp_path, name, content)
        with pytest.warns(UserWarning, match="Dropped 1 of 3 rows"):
            found = load_columns(
                str(tmp_path / name), "train", ["text", "label"]
            )
        assert found == [["a", "b"], ["1", "2"]]


def test_lines_of_text_are_one_column_or_cut_at_tabs(tmp_path):
    write(tmp_path, "pairs.txt", 'Go.\tGeh.\tx\n"Hi"\tHallo\ty\n')
    path = str(tmp_path / "pairs.txt")
    assert load_columns(path, "", ["2", "1"]) == [
        ["Geh.", "Hallo"],
        ["Go.", '"Hi"'],
    ]
    assert load_columns(path, "", ["text"])[0][0] == "Go.\tGeh.\tx"


def test_values_within_json_objects_have_paths(tmp_path):
    row = {"translation": {"en": "one", "de": "eins"}, "a/b": 1}
    write(tmp_path, "train.jsonl", json.dumps(row))
    columns = ["translation/de", "a/b"]
    assert load(tmp_path, columns) == [["eins"], ["1"]]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_parquet_gives_what_arrow_wrote(tmp_path, ending):
    pyarrow = pytest.importorskip("pyarrow", reason="what is read")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "text": ["a", None, "c"],
            "stars": [1.0, 2.5, None],
            "ok": [True, False, True],
            "pair": [{"en": "x", "de": "y"}] * 3,
            "many": [[1], [2], [3]],
        }
    )
    stored = io.BytesIO()
    parquet.write_table(table, stored)
    write(tmp_path, f"train.parquet{ending}", stored.getvalue())
    columns = ["stars", "ok", "pair/de"]
    with pytest.warns(UserWarning, match="Dropped 1 of 3"):
        assert load(tmp_path, columns) == [
            ["1.0", "2.5"],
            ["true", "false"],
            ["y", "y"],
        ]
    for column, message in (("many", "a list in .*many"), ("x", "it has: te")):
        with pytest.raises(DataError, match=message):
            load(tmp_path, [column])
    write(tmp_path, f"train.parquet{ending}", stored.getvalue()[:-9])
    with pytest.raises(DataError, match="not a complete Parquet file"):
        load(tmp_path, columns)


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
    "ragged": ("train.csv", 'x,y\n"1\n2",3\n4\n', "Line 4 of .*1 field wh"),
    "stray quote": ("train.csv", 'x,y\n1,2\n"3" 4,5\n', "Line 3 .*cannot be"),
    "open quote": ("train.csv", 'x,y\n1,2\n"3,5\n', "Line 3 .*cannot be cut"),
    "UTF-16": ("train.csv", "x,y\n1,2\n".encode("utf-16"), "UTF-16.*UTF-8"),
    "near": ("train.csv", "xs,y\n1,2\n", "it has: xs, y. Did you mean 'xs'"),
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


def test_a_missing_file_is_named_with_the_nearest(tmp_path):
    write(tmp_path, "reviews.csv", "x\n1\n")
    with pytest.raises(DataError, match="no file .*Did you mean 'reviews.csv"):
        load_columns(str(tmp_path / "review.csv"), "train", ["x"])


@pytest.mark.parametrize("dataset", ["demo", "", "file:x", "files:", "tfds:"])
def test_an_unknown_source_is_refused(dataset):
    with pytest.raises(DataError, match="be files:FOLDER, tfds:NAME, hf:NAME"):
        load_columns(dataset, "train", ["text"])


@pytest.mark.parametrize("columns", [[], "text"])
def test_columns_are_a_list_of_names(tmp_path, columns):
    with pytest.raises(ValueError, match="must be a list of at least one"):
        load_columns(f"files:{tmp_path}", "train", columns)
