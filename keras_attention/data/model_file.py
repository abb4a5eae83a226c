"""Whether bytes are a whole SentencePiece model."""

LENGTH_DELIMITED = 2  # the wire type of every field of the format
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


def _varint(content, position):
    value = 0
    for shift, byte in enumerate(content[position : position + 10]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value, position + shift + 1
    return value, len(content) + 1  # it is cut off, or no number
