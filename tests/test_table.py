"""The tables of flavours and encodings, in the README and anywhere."""

import pytest

from keras_attention import attention, positions
from tests import table
from tests.tools import ROOT

# Every published size is built, though without numbers.
SLOW = pytest.param("families", marks=pytest.mark.full)


@pytest.mark.parametrize("name", [SLOW, "flavours", "encodings", "pairs"])
def test_the_readme_holds_the_table_as_the_classes_make_it(name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    begin = f"<!-- {name}: begin -->\n"
    assert f"{begin}{table.TABLES[name]()}\n<!-- {name}: end -->" in readme, (
        "run: python -m tests.table README.md"
    )


def test_every_table_is_looked_at():
    assert list(table.TABLES) == ["families", "flavours", "encodings", "pairs"]


def test_every_flavour_has_a_row_of_eight_cells():
    _, _, *rows = table.flavour_table().splitlines()
    assert len(rows) == len(attention.names())
    for name, row in zip(attention.names(), rows, strict=True):
        assert row.startswith(f"| `{name}` | `")
        assert row.count("|") == 9


def test_every_encoding_has_a_paper_and_acts_somewhere():
    described = positions.describe()
    for name in set(positions.names()) - {"none"}:
        assert described[name]["paper"] and described[name]["hooks"]
        assert f"| `{name}` |" in table.encoding_table()


def test_every_pair_is_in_the_table():
    pairs = attention.compatibility()
    head, _, *rows = table.pair_table().splitlines()
    cells = [cell.split() for cell in head.strip("|").split("|")[1:]]
    assert len(rows) == len(pairs)
    for row, (name, refusals) in zip(rows, pairs.items(), strict=True):
        first, *marks = [cell.strip() for cell in row.strip("|").split("|")]
        assert first == f"`{name}`"
        found = {
            encoding.strip("`"): mark
            for encodings, mark in zip(cells, marks, strict=True)
            for encoding in encodings
        }
        expected = {
            encoding: "" if refusal else "yes"
            for encoding, refusal in refusals.items()
        }
        assert found == expected


def test_a_file_is_rewritten_between_the_comments(tmp_path):
    path, tables = tmp_path / "page.md", {"one": lambda: "new"}
    path.write_text("a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n")
    table.rewrite(path, tables)
    text = path.read_text()
    assert text == "a\n<!-- one: begin -->\nnew\n<!-- one: end -->\nb\n"
    table.rewrite(path, tables)
    assert path.read_text() == text


def test_a_file_without_the_comments_is_refused(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- one: end --> <!-- one: begin -->")
    with pytest.raises(ValueError, match=r"page\.md"):
        table.rewrite(path, {"one": lambda: "new"})
    assert path.read_text() == "<!-- one: end --> <!-- one: begin -->"
