"""What tokenizers ask of texts: that they are some, and where words lie."""

import bisect
import re

# Text without a visible character. SentencePiece makes nothing of it, but an
# unknown character of each NUL.
BLANK = r"[\x00-\x20\x7f]*"


def words_of(text, spans):
    """Gives the word around each span; None for one of white space alone."""
    found = [match.span() for match in re.finditer(r"\S+", text)]
    behind = [end for _, end in found]
    words = []
    for first, last in spans:
        place = bisect.bisect_right(behind, first)
        is_in = place < len(found) and found[place][0] < last
        words.append(found[place] if is_in else None)
    return words


def check_texts(texts):
    """Refuses one string where a list of them is meant; returns a list."""
    if isinstance(texts, str):
        raise ValueError(
            f"`texts` must be a list of strings. Received: {texts!r}"
        )
    return list(texts)


def is_blank(text):
    """Whether a text has no visible character."""
    return not text.strip() or re.fullmatch(BLANK, text) is not None
