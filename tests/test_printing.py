"""Control characters shown, all other text as it is."""

import sys
import unicodedata

from keras_attention.printing import visible
from tests.tasks.tiny import AWKWARD

REORDERING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def test_every_control_character_is_shown_and_nothing_else_changes():
    for code in (*range(0x10000), sys.maxunicode):
        character = chr(code)
        is_control = (
            unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
            or unicodedata.bidirectional(character) in REORDERING
        )
        shown = visible(character)
        assert (shown != character) == is_control, hex(code)
        assert not is_control or (shown.isascii() and shown.isprintable())


def test_line_feeds_stay_where_there_may_be_several_lines():
    text = "red\x1b[31m\nname\x1b]0;x\x07"
    shown = "red\\x1b[31m{}name\\x1b]0;x\\x07"
    assert visible(text) == shown.format("\\x0a")
    assert visible(text, lines=True) == shown.format("\n")


def test_what_is_no_string_becomes_one():
    assert visible(ValueError("\u202eabc")) == "\\u202eabc"


def test_ordinary_text_is_unchanged():
    texts = ["日本語", "naïve", "עברית\u200f", "👩‍👩‍👧", "a\\x1b", "▁ word"]
    assert [visible(text) for text in texts] == texts
    assert "\x07" in "".join(AWKWARD)
    assert visible("".join(AWKWARD)).isprintable() is False  # zero widths stay
