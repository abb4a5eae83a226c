"""The file of a SentencePiece model: its pieces, read and written.

Reference:
    - The format: sentencepiece_model.proto of SentencePiece.
"""

import struct

VARINT, LENGTH_DELIMITED, FIXED_32 = 0, 2, 5  # wire types
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM = 1
# Its pieces, its trainer's settings and its normalizer's, in this order.
REQUIRED_FIELDS = {1, 2, 3}


def is_complete(proto):
    """Walks over the top-level fields of a serialized SentencePiece model.

    The library itself takes an empty file, or one cut between two pieces, for
    a model with fewer pieces.

    Args:
        proto: What should be the bytes of a model.

    Returns:
        Boolean, whether it is bytes that hold all parts of a model.
    """
    if not isinstance(proto, bytes):
        return False
    fields, position = set(), 0
    while position < len(proto):
        tag, position = _varint(proto, position)
        if tag & 7 != LENGTH_DELIMITED:
            return False
        length, position = _varint(proto, position)
        fields.add(tag >> 3)
        position += length
    return position == len(proto) and fields >= REQUIRED_FIELDS


def read_pieces(proto):
    """Reads the vocabulary of a SentencePiece model.

    Args:
        proto: bytes for which `is_complete` holds.

    Returns:
        A list of `(piece, score, type)`: a string, a float, and one of the
        types that this module names.
    """
    pieces = []
    for number, content in _fields(proto):
        if number == 1:
            entry = {2: 0.0, 3: NORMAL, **dict(_fields(content))}
            pieces.append((entry[1].decode("utf-8"), entry[2], entry[3]))
    return pieces


def read_settings(proto):
    """Reads what decides how a SentencePiece model treats text.

    Args:
        proto: bytes for which `is_complete` holds.

    Returns:
        A dictionary: `charsmap`, bytes of the normalizer's compiled rules,
        empty for none; `is_unigram`; and `adds_space`, whether a space is put
        before the text.
    """
    top = dict(_fields(proto))
    trainer, normalizer = dict(_fields(top[2])), dict(_fields(top[3]))
    return {
        "charsmap": normalizer.get(2, b""),
        "is_unigram": trainer.get(3, UNIGRAM) == UNIGRAM,
        "adds_space": bool(normalizer.get(3, 1)),
    }


def cut(processor, text):
    """Cuts a text into pieces and finds where they come from.

    Args:
        processor: a `SentencePieceProcessor`.
        text: string.

    Returns:
        A list of `(piece, (first, behind))`, the places in characters.
    """
    message = processor.encode(text, out_type="serialized_proto")
    # The message counts bytes.
    places = [0]
    for byte in text.encode("utf-8"):
        places.append(places[-1] + (byte & 0xC0 != 0x80))
    found = []
    for number, content in _fields(message):
        if number == 2:
            piece = {4: 0, 5: 0, **dict(_fields(content))}
            span = [places[piece[n]] for n in (4, 5)]
            found.append((piece[1].decode("utf-8"), tuple(span)))
    return found


def write_unigram(pieces, unknown_id):
    """Serializes a unigram model that takes text as it is.

    It neither normalizes text nor puts spaces anywhere, and no piece but the
    unknown one is of a kind of its own.

    Args:
        pieces: list of `(piece, score)`, the ids of which are their places.
        unknown_id: integer.

    Returns:
        Bytes.
    """
    proto = b""
    for number, (piece, score) in enumerate(pieces):
        kind = UNKNOWN if number == unknown_id else NORMAL
        proto += _field(
            1,
            _field(1, piece.encode("utf-8"))
            + bytes([2 << 3 | FIXED_32])
            + struct.pack("<f", score)
            + _field(3, kind),
        )
    absent = (1 << 64) - 1  # -1
    marks = _field(40, unknown_id)
    for mark in (41, 42, 43):  # start, end and padding
        marks += _field(mark, absent)
    as_it_is = _field(3, 0) + _field(4, 0) + _field(5, 0)
    trainer = _field(3, UNIGRAM) + marks
    return proto + _field(2, trainer) + _field(3, as_it_is)


def _field(number, value):
    """Serializes one field of integers or bytes."""
    if isinstance(value, int):
        return _written(number << 3 | VARINT) + _written(value)
    size = _written(len(value))
    return _written(number << 3 | LENGTH_DELIMITED) + size + value


def _written(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _fields(content):
    """Yields number and value of each field of a message."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == VARINT:
            value, position = _varint(content, position)
        elif kind == LENGTH_DELIMITED:
            length, position = _varint(content, position)
            value = content[position : position + length]
            position += length
        else:
            size = 4 if kind == FIXED_32 else 8
            value = content[position : position + size]
            value = struct.unpack("<f" if size == 4 else "<d", value)[0]
            position += size
        yield tag >> 3, value


def _varint(content, position):
    value = 0
    for shift, byte in enumerate(content[position : position + 10]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value, position + shift + 1
    return value, len(content) + 1  # it is cut off, or no number
