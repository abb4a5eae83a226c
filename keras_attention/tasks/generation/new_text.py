"""The text of new tokens, as they come."""

from keras_attention.data.tokenizers.base import BYTE
from keras_attention.generation.stop_strings import StopStrings

_BROKEN = "\ufffd"  # what decoding makes of a part of a character


class NewText:
    """Decodes what follows a prompt, token by token.

    What is shown early is never taken back: no part of a character, of a stop
    string, or of what the tokenizer may still join to what comes next.

    Args:
        tokenizer: a `Tokenizer`.
        stop: strings before the first of which the text ends, from
            `read_stops`.
        prompt: list of ids that the text is to be put behind: it then begins
            with a space where a word begins. Without them it is decoded alone,
            and SentencePiece leaves out this space.
    """

    def __init__(self, tokenizer, stop=(), prompt=()):
        self._tokenizer, self._stop = tokenizer, stop
        self._prompt = list(prompt)
        self._before = self._decode(self._prompt)

    def read(self, ids, is_complete=False):
        """Gives the text of the new tokens so far, as far as it is certain.

        Args:
            ids: list of all new ids.
            is_complete: whether no other follows, so that all is certain.

        Returns:
            `(text, stops)`: a string, and whether a stop string ended it.
        """
        text = self._new(ids)
        if not is_complete:
            text = self._certain(ids, text)
        cut = cut_at_stop(text, self._stop)
        if len(cut) < len(text):
            return cut, True
        return (text if is_complete else self._without_begun(text)), False

    def _new(self, ids):
        text = self._decode([*self._prompt, *ids])
        if text.startswith(self._before):
            return text.removeprefix(self._before)
        # The new bytes spoil a last character of the prompt.
        return self._decode(ids)

    def _decode(self, ids):
        tokenizer = self._tokenizer
        size, unknown_id = tokenizer.vocabulary_size, tokenizer.unknown_id
        # A model may know more ids than its tokenizer has pieces.
        known = [x if x < size else unknown_id for x in ids]
        return tokenizer.decode([[x for x in known if x >= 0]])[0]

    def _certain(self, ids, text):
        """Takes away from the end what another token may change."""
        bytes_behind = 0
        for piece in reversed(self._tokenizer.pieces([ids])[0]):
            if not BYTE.fullmatch(piece):
                break
            bytes_behind += 1
        if bytes_behind:
            # One byte that fits no character spoils those before it.
            text = self._new(ids[:-bytes_behind])
        text = text.rstrip(_BROKEN)
        if self._tokenizer.rewrites_spaces:
            return text.rpartition(" ")[0].rstrip()
        return text

    def _without_begun(self, text):
        """Takes away from the end what may become a stop string."""
        longest = max(map(len, self._stop), default=1) - 1
        for first in range(max(len(text) - longest, 0), len(text)):
            if any(stop.startswith(text[first:]) for stop in self._stop):
                return text[:first]
        return text


def read_stops(stop):
    """Checks strings at which a text ends.

    Args:
        stop: a string, a list of them, or None.

    Returns:
        A tuple of strings. One that holds another before its own end is left
        out: the other always comes first.

    Raises:
        ValueError: for something else, or an empty string.
    """
    several = [stop] if isinstance(stop, str) else stop
    if several is None:
        return ()
    is_list = isinstance(several, (list, tuple))
    if not is_list or not all(isinstance(x, str) and x for x in several):
        raise ValueError(
            "stop must be a string or a list of strings, none of them empty. "
            f"Received: stop={stop!r}"
        )
    return tuple(
        x for x in several if not any(other in x[:-1] for other in several)
    )


def stop_strings(tokenizer, vocabulary_size, stop, is_full=False):
    """Makes what ends a search at strings.

    Args:
        tokenizer: a `Tokenizer`.
        vocabulary_size: integer, the ids of the model.
        stop: strings, from `read_stops`.
        is_full: whether the texts are to be put behind their prompts.

    Returns:
        `StopStrings`, or None where there are no strings, or the text of a
        token depends on what follows it.
    """
    if not stop or tokenizer.rewrites_spaces:
        return None
    texts = tokenizer.texts_of_ids()
    unknown_id = tokenizer.unknown_id
    unknown = texts[unknown_id] if unknown_id >= 0 else b""
    texts += [unknown] * (vocabulary_size - len(texts))
    spaces = [i for i, x in enumerate(texts) if x[:1] == b" " and x[1:]]
    first = None
    if spaces and not is_full:
        (shown,) = tokenizer.decode([spaces[:1]])
        if not shown.startswith(" "):
            first = [text.removeprefix(b" ") for text in texts]
    return StopStrings(texts, stop, first)


def cut_at_stop(text, stop):
    """Gives the text before the first of some stop strings."""
    places = [text.find(x) for x in stop]
    return text[: min([x for x in places if x >= 0], default=len(text))]
