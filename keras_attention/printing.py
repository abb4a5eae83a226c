"""Text that others have written, made safe to print."""

import re

# C0, DEL and C1; the bidirectional embeddings, overrides and isolates; the
# separators of lines and paragraphs; halves of surrogate pairs, which no
# stream can encode.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text, lines=False):
    r"""Shows control characters as what they are, `\x1b` or `\u202e`.

    A terminal obeys them: they move the cursor, rename the window, hide what
    was printed before or reverse the order of what follows. Text of any
    script comes back as it is.

    Args:
        text: what is printed, a string or what becomes one.
        lines: whether line feeds stay: the text may have several lines.

    Returns:
        A string; without `lines`, of one line.
    """
    return _CONTROLS.sub(
        lambda found: _escaped(found[0], lines=lines), str(text)
    )


def _escaped(character, lines):
    if lines and character == "\n":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
