import re
import sys

import pytest

from keras_attention.data import DataError
from keras_attention.data.sources import docstrings

BODY = "It takes many words to say what this is for: " + "so it goes on, " * 5


def package(folder, name, **files):
    (folder / name / "inner").mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise ImportError\n")
    for path, text in files.items():
        path = path.replace("__", "/")
        (folder / name / f"{path}.py").write_text(text)


def function(first_line, body=BODY, between="\n\n    "):
    return f'def f():\n    """{first_line}{between}{body}\n    """\n\n\n'


@pytest.fixture
def packages(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name, **files: package(tmp_path, name, **files)


def read(*names):
    return list(docstrings.read_docstrings(names))


def test_docstrings_of_all_kinds_are_read_without_importing(packages):
    module = f'"""Says what the module does.\n\n{BODY} Module.\n"""\n'
    of_class = (
        f'class C:\n    """Says what the class does.\n\n    {BODY}\n\n'
        '    Class.\n    """\n\n    async def m(self):\n'
        f'        """Says what a method does.\n\n        {BODY} m.\n'
        '        """\n'
    )
    packages(
        "kept_one", b=of_class, a=module, inner__c=function("Is in a folder.")
    )
    found = read("kept_one", "no_such_package")
    assert [row[0] for row in found] == ["kept_one"] * 4
    assert [row[1] for row in found] == [
        "Says what the module does.",
        "Says what the class does.",
        "Says what a method does.",
        "Is in a folder.",
    ]
    assert found[1][2] == f"{BODY}Class."
    assert "kept_one" not in sys.modules


@pytest.mark.parametrize(
    "text",
    [
        function("Too short."),
        function("no capital at the start."),
        function("Has no full stop at the end"),
        function("Holds a strange {sign} of code."),
        function("Has a body that is short.", "Just this."),
        function("Does not stand alone here.", between="\n    "),
        function(
            "Stands in its body again.", f"Stands in its body again. {BODY}"
        ),
        function("Has an odd character inside.", f"{BODY} \u2603"),
        function("Has no body at all.", "", ""),
        "def broken(:\n",
        "x = 1\n",
    ],
)
def test_other_docstrings_do_not_count(packages, text):
    packages("kept_two", a=text)
    assert read("kept_two") == []


def test_tests_are_not_read(packages, tmp_path):
    packages("kept_three")
    for name in ("tests", "testing"):
        (tmp_path / "kept_three" / name).mkdir()
        path = tmp_path / "kept_three" / name / "a.py"
        path.write_text(function("Says what a test does."))
    assert read("kept_three") == []


def test_of_equal_docstrings_the_first_counts(packages):
    other = f"Quite other words stand here. {BODY}"
    packages(
        "kept_four",
        a=function("Says this and no more.")
        + function("Says that and no more."),
        b=function("SAYS: this and no more.", other),
    )
    packages(
        "kept_five",
        a=function("Says this, and no more.", other)
        + function("Says what is new here.", f"{other} New."),
    )
    assert [row[:2] for row in read("kept_four", "kept_five")] == [
        ("kept_four", "Says this and no more."),
    ]


def test_splits_share_no_package_and_no_docstring(packages, monkeypatch):
    shared = function("Says what all three say.", f"The same. {BODY}")
    for index, name in enumerate(("kept_six", "kept_seven", "kept_eight")):
        own = function(f"Is of the package {name[5:]}.", f"{index}th. {BODY}")
        own = own.replace(f"{index}th", "abc"[index])
        packages(name, a=shared + own)
    splits = {
        "test": ("kept_six",),
        "validation": ("kept_seven",),
        "train": ("kept_eight", "no_such_package"),
    }
    monkeypatch.setattr(docstrings, "SPLITS", splits)
    monkeypatch.setattr(docstrings, "LEAST", dict.fromkeys(splits, 1))
    found = {split: docstrings.load_docstrings(split) for split in splits}
    assert sorted(found["test"][1]) == [
        "Is of the package six.",
        "Says what all three say.",
    ]
    assert found["validation"][1] == ["Is of the package seven."]
    assert found["train"][1] == ["Is of the package eight."]
    assert found["train"][0] == [f"c. {BODY}".strip()]
    monkeypatch.setattr(docstrings, "MOST", {**docstrings.MOST, "test": 1})
    assert len(docstrings.load_docstrings("test")[0]) == 1


def test_too_few_docstrings_and_an_unknown_split_are_refused(
    packages, monkeypatch
):
    monkeypatch.setattr(docstrings, "SPLITS", {"test": ("no_such_package",)})
    with pytest.raises(DataError, match="Only 0 docstrings .*no_such_package"):
        docstrings.load_docstrings("test")
    with pytest.raises(DataError, match="train, validation and test"):
        docstrings.load_docstrings("dev")


@pytest.mark.slow
def test_what_is_installed_makes_a_demo():
    bodies, first_lines = docstrings.load_docstrings("test")
    assert len(bodies) == len(first_lines) >= docstrings.LEAST["test"]
    assert (bodies, first_lines) == tuple(docstrings.load_docstrings("test"))
    for body, first_line in zip(bodies, first_lines, strict=True):
        assert first_line not in body and re.search("[a-z]", body)
