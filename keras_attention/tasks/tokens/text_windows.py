"""Overlapping windows over the tokens of long texts."""

from keras_attention.data.tokenizers.texts import is_blank


def windows(count, room, stride):
    """Cuts a sequence into windows that overlap.

    Args:
        count: integer, tokens of the sequence.
        room: integer, tokens of a window at most.
        stride: integer less than `room`, the tokens that a window shares with
            the one before.

    Returns:
        List of `(first, behind)`, one at least; the last ends at `count`.
    """
    found = [(0, min(room, count))]
    while found[-1][1] < count:
        first = found[-1][0] + room - stride
        found.append((first, min(first + room, count)))
    return found


def check_stride(stride, room):
    """Raises ValueError for a stride that leaves no step between windows."""
    if type(stride) is not int or not 0 <= stride < room:
        raise ValueError(
            f"stride must be an integer between 0 and {room - 1}, one less "
            "than the tokens of a text that fit into the model. Received: "
            f"stride={stride!r}"
        )


def spans_of(tokenizer, texts):
    """Gives the characters that each token stands for, without white space.

    Args:
        tokenizer: a `Tokenizer`.
        texts: list of strings.

    Returns:
        A list of lists of `(first, behind)`.
    """
    if tokenizer.templates is None:  # as `encode_visible`
        seen = ["" if is_blank(text) else text for text in texts]
    else:
        seen = texts
    found = tokenizer.offsets(seen) if seen else []
    return [
        [trimmed(text, *span) for span in spans]
        for text, spans in zip(texts, found, strict=True)
    ]


def words_of(tokenizer, texts):
    """Gives the words that tokens are parts of, without white space.

    Args:
        tokenizer: a `Tokenizer`.
        texts: list of strings.

    Returns:
        A list of lists of `(first, behind)`, or None for a token in no word.
    """
    found = tokenizer.words(texts) if texts else []
    return [
        [word and trimmed(text, *word) for word in words]
        for text, words in zip(texts, found, strict=True)
    ]


def trimmed(text, first, behind):
    """Takes white space off the ends of a span, unless it holds no more."""
    if text[first:behind].isspace():
        return first, behind
    while first < behind and text[first].isspace():
        first += 1
    while first < behind and text[behind - 1].isspace():
        behind -= 1
    return first, behind
