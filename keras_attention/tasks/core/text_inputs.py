"""Texts as what an encoder takes: ids, masks and segments."""

import reprlib

from keras_attention.data.tokenizers.base import FIRST, SECOND
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import (
    check_positions,
    check_positive,
    check_tokenizer,
    padding_of,
)

LONGEST = 256  # where neither the model nor its tokenizer has a limit


class TextInputs:
    """Turns texts into batches for the encoder of a model.

    A text gets the special tokens of the tokenizer's template; of a tokenizer
    without templates, its start id. Texts may also be pairs, which the
    template joins.

    Args:
        encoder: the part of the model that reads ids.
        tokenizer: a `Tokenizer`.
        max_length: integer, ids of a text at most, special ones included;
            None for what tokenizer and model allow, or 256 where neither has
            a limit.
        batch_size: integer, texts of a batch at most.

    Attributes:
        max_length: integer, the limit that holds.
        padding_id: integer, the id that fills up a batch.

    Raises:
        ValueError: if the tokenizer does not suit the encoder, or a number is
            out of its range.

    Example:

    ```python
    inputs = TextInputs(model.encoder, tokenizer)
    rows = inputs.encode(["A man rides.", ("Who rides?", "A man.")])
    for indices, batch in inputs.batches(rows):
        logits = model.predict_on_batch(batch)[: len(indices)]
    ```
    """

    def __init__(self, encoder, tokenizer, max_length=None, batch_size=32):
        has_templates = tokenizer.templates is not None
        needed = [] if has_templates else ["start_id"]
        check_tokenizer("", tokenizer, encoder, needed)
        if max_length is None:
            max_length = longest_input(encoder, tokenizer)
        check_positive(max_length=max_length, batch_size=batch_size)
        least = 1 + (tokenizer.num_special_tokens() if has_templates else 1)
        if max_length < least:
            raise ValueError(
                f"max_length must be at least {least}, the special tokens and "
                f"one more. Received: max_length={max_length}"
            )
        check_positions(encoder, "max_length", max_length)
        self.tokenizer = tokenizer
        self.padding_id = padding_of(tokenizer, encoder)
        self.max_length, self.batch_size = max_length, batch_size
        embedding = getattr(encoder, "embedding", None)
        self.has_segments = (getattr(embedding, "num_segments", None) or 1) > 1

    def encode(self, texts):
        """Turns texts into rows of ids, and cuts what is too long.

        Of a pair, the longer text is cut first. One warning counts the texts
        that were cut.

        Args:
            texts: list of strings, and of pairs of them as tuples.

        Returns:
            A list of `(ids, segments)`, two lists of integers of one length.

        Raises:
            ValueError: if something else is given, or a pair to a tokenizer
                that has no template for it.
        """
        texts = check_list(texts)
        pairs = [x if _is_pair(x) else (x, None) for x in texts]
        firsts = self.ids([first for first, _ in pairs])
        seconds = iter(self.ids([x for _, x in pairs if x is not None]))
        rows, num_cut = [], 0
        for ids, (_, second) in zip(firsts, pairs, strict=True):
            more = None if second is None else next(seconds)
            row, is_cut = self._row(ids, more)
            rows.append(row)
            num_cut += is_cut
        text_batches.warn_of_cut(
            num_cut, len(rows), f"max_length={self.max_length}", stacklevel=4
        )
        return rows

    def ids(self, texts, name="texts"):
        """Gives the ids of strings, without special ones and uncut.

        Args:
            texts: list of strings.
            name: what the error message calls them.
        """
        text_batches.check_texts(texts, name)
        if self.tokenizer.templates is None:
            return text_batches.encode_visible(self.tokenizer, texts)
        return self.tokenizer.encode(texts) if texts else []

    def room(self, pair=False):
        """Says how many ids fit between the special tokens."""
        if self.tokenizer.templates is None:
            return self.max_length - 1
        return self.max_length - self.tokenizer.num_special_tokens(pair)

    def place_of_text(self, first=None):
        """Says where a text begins in its row.

        Args:
            first: integer, tokens of the text before it in a pair; None for
                a text that is no pair.

        Returns:
            Integer, the place of the text's first token.
        """
        if self.tokenizer.templates is None:
            return 1  # behind the start id
        name = "single" if first is None else "pair"
        items = [item for item, _ in self.tokenizer.templates[name]]
        place = items.index(FIRST if first is None else SECOND)
        return place if first is None else place - 1 + first

    def with_special_tokens(self, ids, pair=None):
        """Puts ids into the template; gives `(ids, segments)`."""
        tokenizer = self.tokenizer
        if tokenizer.templates is None and pair is None:
            return [tokenizer.start_id, *ids], [0] * (1 + len(ids))
        return tokenizer.with_special_tokens(ids, pair)

    def batches(self, rows):
        """Makes arrays of rows, those of like length together.

        Args:
            rows: from `encode` or `with_special_tokens`.

        Yields:
            `(indices, inputs)`: integers, which rows, and a dictionary of
            int32 `token_ids`, boolean `padding_mask` and, for an encoder that
            has them, int32 `segment_ids`, all `(count, length)`. There may be
            more rows than indices: skip the last ones of the outputs.
        """
        every = [ids for ids, _ in rows]
        for chosen in text_batches.in_batches(every, self.batch_size):
            ids = [rows[index][0] for index in chosen]
            shape = None
            if text_batches.compiles_shapes():
                shape = text_batches.rounded_shape(
                    ids, self.batch_size, self.max_length
                )
            yield chosen, self.arrays([rows[i] for i in chosen], shape)

    def arrays(self, rows, shape=None):
        """Makes one batch of rows in their order.

        Args:
            rows: from `encode`, one at least.
            shape: `(count, length)`, by default as the rows are.

        Returns:
            The dictionary of arrays that `batches` describes.
        """
        ids, segments = zip(*rows, strict=True)
        token_ids = text_batches.pad(ids, self.padding_id, shape)
        ones = [[1] * len(row) for row in ids]
        mask = text_batches.pad(ones, 0, token_ids.shape)
        inputs = {"token_ids": token_ids, "padding_mask": mask == 1}
        if self.has_segments:
            inputs["segment_ids"] = text_batches.pad(
                segments, 0, token_ids.shape
            )
        return inputs

    def _row(self, ids, pair):
        """Cuts ids and adds the special ones; says whether it cut."""
        if pair is not None and self.tokenizer.templates is None:
            raise ValueError(
                "The tokenizer has no template that joins two texts. "
                "Received: a pair"
            )
        room = self.room(pair is not None)
        if pair is None:
            return self.with_special_tokens(ids[:room]), len(ids) > room
        first, second = shares(len(ids), len(pair), room)
        row = self.with_special_tokens(ids[:first], pair[:second])
        return row, len(ids) + len(pair) > room


def longest_input(encoder, tokenizer):
    """Says how many ids a text may have, special ones included.

    Args:
        encoder: the part of the model that reads ids.
        tokenizer: a `Tokenizer`.

    Returns:
        Integer: what both allow, or 256 where neither has a limit.
    """
    return min(stated_limits(encoder, tokenizer) or [LONGEST])


def stated_limits(part, tokenizer):
    """Lists the limits on ids that a part of a model and its tokenizer have.

    Args:
        part: the encoder or the decoder.
        tokenizer: its `Tokenizer`.

    Returns:
        List of integers, empty where neither has one.
    """
    position = getattr(part, "position", None)
    limits = tokenizer.max_length, getattr(position, "max_length", None)
    return [limit for limit in limits if limit]


def check_list(texts, name="texts"):
    """Refuses what is no list, tuple or array; returns it as a list.

    Args:
        texts: what was received.
        name: what the error message calls it.
    """
    is_list = hasattr(texts, "__iter__") and getattr(texts, "ndim", 1) > 0
    if not is_list or isinstance(texts, (str, bytes, dict)):
        raise ValueError(
            f"{name} must be a list of strings. Received: {reprlib.repr(texts)}"
        )
    return list(texts)


def shares(first, second, room):
    """How many ids of two texts fit, where the longer is cut first.

    Args:
        first, second: integers, lengths of the texts.
        room: integer, ids of both at most.

    Returns:
        `(first, second)`.
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    longer = room - shorter
    return (longer, shorter) if first > second else (shorter, longer)


def _is_pair(text):
    return isinstance(text, tuple) and len(text) == 2
