"""The characters that stand for bytes in GPT-2's vocabulary.

Reference:
    - [Radford et al., 2019](https://openai.com/index/better-language-models/)
"""

# Bytes that a reader can see stand for themselves; the others take the
# characters from 256 on, in their order.
SEEN = [*range(33, 127), *range(161, 173), *range(174, 256)]
HIDDEN = [byte for byte in range(256) if byte not in SEEN]
CHARACTERS = {byte: chr(byte) for byte in SEEN}
CHARACTERS |= {byte: chr(256 + n) for n, byte in enumerate(HIDDEN)}
BYTES = {character: byte for byte, character in CHARACTERS.items()}


def bytes_of(piece):
    """Returns the bytes that a piece stands for.

    Args:
        piece: string. A character that stands for no byte, of a special
            token for example, is itself.
    """
    if not set(piece) <= BYTES.keys():
        return piece.encode("utf-8")
    return bytes(BYTES[character] for character in piece)


def text_of(piece):
    """Returns a piece as text; part of a character shows as "\ufffd"."""
    return bytes_of(piece).decode("utf-8", errors="replace")
