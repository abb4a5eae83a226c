"""The strict reader of JSON, and dataclasses filled from it."""

import dataclasses
import json
import math
from typing import Literal

import pytest

from keras_attention.json_files import check_fields, parse_json, read_json

DEEP = {"list": ("[", "]"), "object": ('{"a":', "}")}
BAD = {
    "not UTF-8": (b'{"a":\n "\xff"}', "not UTF-8 .line 2 .* 0xff"),
    "truncated": (b'{"a": 1', "not JSON"),
    "empty": (b"", "not JSON"),
    "key twice": (b'{"b": {"a": 1, "c": 2, "a": 3}}', "key 'a' twice"),
    "NaN": (b"[NaN]", "NaN, which is no number"),
    "infinity": (b"[-Infinity]", "-Infinity, which is no number"),
    "large float": (b"[1e999]", "'1e999', which is too large"),
    "long integer": (b"1" * 5000, "an integer of 5000 digits"),
    "less long": (b"1" * 400, "an integer of 400 digits"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_one_line(tmp_path, case):
    content, message = BAD[case]
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("levels", [101, 990, 200_000])
def test_deep_nesting_is_refused(kind, levels):
    opened, closed = DEEP[kind]
    content = f"{opened * levels}1{closed * levels}"
    with pytest.raises(ValueError, match="x is damaged: it is nested more"):
        parse_json(content, "x")
    with pytest.raises(ValueError, match="nested more|not JSON"):
        parse_json(opened * levels, "x")


def test_what_python_writes_comes_back():
    value = {"a": [1, -2.5, None, True, "\u2603", {"b": {}}], "c": 2**200}
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(json.dumps(value).encode(), "x") == value
    deep = value
    for _ in range(96):
        deep = [deep]
    assert parse_json(json.dumps(deep), "x") == deep


def test_nan_and_digits_are_kept_on_request():
    low, number = parse_json("[-Infinity, NaN]", "x", allow_nan=True)
    assert low == -math.inf and math.isnan(number)
    digits = f"[1.50, {'7' * 5000}]"
    found = parse_json(digits, "x", as_written=True)
    assert found == ["1.50", "7" * 5000]


@dataclasses.dataclass
class Options:
    name: str = "a"
    count: int = 1
    rate: float = 0.5
    jit: bool = False
    kind: Literal["x", "y"] = "x"
    sizes: tuple[int, ...] = (3, 4)


def test_values_of_the_types_of_fields_fit():
    check_fields(
        "f", json.loads(json.dumps(dataclasses.asdict(Options()))), Options
    )
    check_fields("f", {"rate": 2, "sizes": []}, Options)


@pytest.mark.parametrize(
    ("field", "wrong", "expected"),
    [
        ("name", [None, 3, ["a"], {}, True], "a string"),
        ("count", [None, "3", 3.0, [3], True], "an integer"),
        ("rate", [None, "0.5", [0.5], True], "a number"),
        ("jit", [None, "false", 0, []], "true or false"),
        ("kind", [None, "z", ["x"], 1], "one of x, y"),
        ("sizes", [None, 3, "34", [3, "4"], [True], {}], "a list, each entry"),
    ],
)
def test_values_of_other_types_are_refused_by_name(field, wrong, expected):
    for value in wrong:
        message = f"f: {field} must be {expected}.* Received: {field}="
        with pytest.raises(ValueError, match=message):
            check_fields("f", {field: value}, Options)
