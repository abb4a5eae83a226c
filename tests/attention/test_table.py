"""The table of flavours, in the README and anywhere."""

import pytest

from keras_attention import attention
from keras_attention.attention import table
from tests.tools import ROOT


def test_the_readme_holds_the_table_as_the_classes_make_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table.flavour_table() in readme, (
        "run: python -m keras_attention.attention.table README.md"
    )


def test_every_flavour_has_a_row_of_eight_cells():
    _, _, *rows = table.flavour_table().splitlines()
    assert len(rows) == len(attention.names())
    for name, row in zip(attention.names(), rows, strict=True):
        assert row.startswith(f"| `{name}` | `")
        assert row.count("|") == 9


def test_a_file_is_rewritten_between_the_comments(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"a\n{table.BEGIN}\nold\n{table.END}\nb\n")
    table.rewrite(path)
    text = path.read_text()
    assert "old" not in text and table.flavour_table() in text
    assert text.startswith("a\n") and text.endswith("\nb\n")
    table.rewrite(path)
    assert path.read_text() == text


def test_a_file_without_the_comments_is_refused(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"{table.END} {table.BEGIN}")
    with pytest.raises(ValueError, match=r"page\.md"):
        table.rewrite(path)
    assert path.read_text() == f"{table.END} {table.BEGIN}"
