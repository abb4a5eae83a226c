"""Byte-level BPE in a graph. It imports TensorFlow.

Reference:
    - [Sennrich et al., 2016](https://arxiv.org/abs/1508.07909)
    - [Radford et al., 2019](https://openai.com/index/better-language-models/)
"""

import functools

import tensorflow as tf

from keras_attention import optional
from keras_attention.data.tokenizers.byte_level import CHARACTERS, bytes_of
from keras_attention.export.tokenizers.aligned import (
    first_of_rows,
    in_characters,
    moved,
    sizes_of,
    sums_before,
    without_prefix,
)
from keras_attention.export.tokenizers.characters import (
    NUL,
    SPACE,
    rows_where,
)
from keras_attention.export.tokenizers.normalizers import members

NONE = tf.int64.max  # the rank of two pieces that are not merged
WIDE = 2**31  # more than an id can be


class ByteLevelGraph(tf.Module):
    """Cuts text into words and merges the bytes of each.

    Args:
        document: dictionary, what a `tokenizer.json` of GPT-2 holds.

    Raises:
        ValueError: if it cuts or merges in a way that has no operations.
    """

    without_offsets = None

    def __init__(self, document):
        super().__init__()
        model, cut = document["model"], document.get("pre_tokenizer") or {}
        if cut.get("type") != "ByteLevel" or not cut.get("use_regex", True):
            raise ValueError(
                f"its pre_tokenizer {cut.get('type')} has no operations of "
                "TensorFlow beside BPE, only ByteLevel as GPT-2 has it"
            )
        for name in (
            "dropout",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "byte_fallback",
            "ignore_merges",
        ):
            if model.get(name):
                raise ValueError(
                    f"its BPE has {name}={model[name]!r}, for which there are "
                    "no operations of TensorFlow"
                )
        vocabulary = model["vocab"]
        missing = [x for x in CHARACTERS.values() if x not in vocabulary]
        if missing and model.get("unk_token") is not None:
            raise ValueError(
                f"its BPE has no piece {missing[0]!r} for a byte, and an "
                "unknown one for it, for which TensorFlow has no operations"
            )
        if missing:
            self.without_offsets = (
                f"its BPE has no piece {missing[0]!r} for a byte"
            )
        pieces = {number: piece for piece, number in vocabulary.items()}
        rows = [pieces.get(n, "") for n in range(max(pieces) + 1)]
        self._sizes = tf.constant([len(bytes_of(x)) for x in rows], tf.int64)
        self._adds_space = cut.get("add_prefix_space", False)
        # Bytes without a piece are left out.
        ids = [vocabulary.get(CHARACTERS[byte], -1) for byte in range(256)]
        self._bytes = tf.constant(ids, tf.int32)
        self._merges = _merge_table(model["merges"], vocabulary)

    def __call__(self, text):
        """Cuts strings into pieces, as `WordPieceGraph` does."""
        given = text
        if self._adds_space:
            # White space of other kinds does not count.
            text = tf.strings.regex_replace(text, "^([^ ])", r" \1")
        words = _words(text)
        words = words.with_flat_values(
            tf.strings.regex_replace(words.flat_values, NUL, "\0")
        )
        # Equal words are merged once.
        distinct, places = tf.unique(words.flat_values)
        found = tf.gather(self._merged(distinct), places)
        has_prefix = sizes_of(text) > sizes_of(given)
        spans = without_prefix(self._spans(words, found), has_prefix)
        begins = words.with_flat_values(first_of_rows(found))
        found = words.with_flat_values(found)
        return [found.merge_dims(1, 2), *spans, begins.merge_dims(1, 2)]

    def _spans(self, words, found):
        """Finds where pieces begin and end.

        Args:
            words: ragged strings `(count, None)`, all of each string.
            found: ragged int32 ids `(words, None)`.

        Returns:
            `(firsts, behinds)`, ragged int64 `(count, None)`.
        """
        flat = found.flat_values
        sizes = found.with_flat_values(tf.gather(self._sizes, flat))
        begins = sums_before(sizes)
        spans = in_characters(words.flat_values, begins, begins + sizes)
        starts = sums_before(
            words.with_flat_values(sizes_of(words.flat_values))
        )
        spans = moved(spans, starts.flat_values)
        return [words.with_flat_values(x).merge_dims(1, 2) for x in spans]

    def _merged(self, words):
        """Gives the ragged ids of words."""
        single = tf.strings.bytes_split(words)
        numbers = tf.io.decode_raw(single.flat_values, tf.uint8)
        numbers = tf.reshape(numbers, [-1])  # of no bytes, it has no columns
        ids = tf.gather(self._bytes, tf.cast(numbers, tf.int32))
        rows = tf.cast(single.value_rowids(), tf.int32)
        ids, rows = ids[ids >= 0], rows[ids >= 0]
        count = tf.size(words)
        # Without shapes of their own, ids may become fewer in each round.
        unknown = tf.TensorShape([None])
        ids, rows, _ = tf.while_loop(
            lambda ids, rows, goes_on: goes_on,
            lambda ids, rows, _: self._round(ids, rows, count),
            (ids, rows, tf.size(ids) > 1),
            shape_invariants=(unknown, unknown, tf.TensorShape([])),
        )
        return tf.RaggedTensor.from_value_rowids(
            ids, tf.cast(rows, tf.int64), tf.cast(count, tf.int64)
        )

    def _round(self, ids, rows, count):
        """Merges one pair in each word: the leftmost of the lowest rank.

        Args:
            ids: int32 `(pieces,)`, of all words.
            rows: int32 `(pieces,)`, the word of each piece.
            count: integer tensor, the number of words.

        Returns:
            `(ids, rows, goes_on)`.
        """
        wide = tf.cast(ids, tf.int64)
        merge = self._merges.lookup(wide[:-1] * WIDE + wide[1:])
        merge = tf.where(rows[:-1] == rows[1:], merge, NONE)
        best = tf.math.unsorted_segment_min(merge, rows[:-1], count)
        is_best = (merge == tf.gather(best, rows[:-1])) & (merge < NONE)
        places = tf.range(tf.size(merge))
        place = tf.where(is_best, places, tf.size(merge))
        first = tf.math.unsorted_segment_min(place, rows[:-1], count)
        is_chosen = is_best & (place == tf.gather(first, rows[:-1]))
        merged = tf.cast(merge % WIDE, tf.int32)
        ids = tf.concat([tf.where(is_chosen, merged, ids[:-1]), ids[-1:]], 0)
        is_left = tf.concat([[True], ~is_chosen], 0)
        ids, rows = ids[is_left], rows[is_left]
        return ids, rows, tf.reduce_any(is_chosen) & (tf.size(ids) > 1)


@functools.cache
def _pattern():
    """Writes GPT-2's pattern of words, but for white space.

    RE2 cannot look ahead, so that `_words` takes white space apart, and it
    has letters and numbers of another version of Unicode than the library.
    """
    letters, numbers = members(r"\p{L}"), members(r"\p{N}")
    return (
        rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{letters}]+| ?[{numbers}]+"
        rf"| ?[^{SPACE}{letters}{numbers}]+"
    )


def _words(text):
    """Cuts strings by GPT-2's pattern.

    Of white space before a word, the pattern takes all but the last
    character as one word, and a space that is last goes to the word behind.

    Args:
        text: strings `(count,)`.

    Returns:
        Ragged strings `(count, None)`.
    """
    split = optional.load("tensorflow_text", "The export").regex_split
    space = f"[{SPACE}]+"
    runs = split(text, space, space)
    flat = runs.flat_values
    is_space = tf.strings.regex_full_match(flat, space)
    # Runs of white space and of others take turns within a text.
    rows = runs.value_rowids()
    is_last = tf.concat([rows[:-1] != rows[1:], tf.fill([1], True)], axis=0)
    is_before = is_space & ~is_last[: tf.size(flat)]
    last = tf.strings.regex_replace(flat, f"(?s)^.*([{SPACE}])$", r"\1")
    rest = tf.strings.regex_replace(flat, f"(?s)^(.*)[{SPACE}]$", r"\1")
    head = tf.where(is_space, tf.where(is_before, rest, flat), "")
    is_own = is_before & (last != " ")
    is_shared = is_before & (last == " ")
    before = tf.concat([tf.fill([1], False), is_shared], axis=0)[:-1]
    words = tf.where(is_space, "", flat)
    words = tf.where(before, tf.strings.join([" ", words]), words)
    parts = tf.concat(
        [
            rows_where(head, head != ""),
            rows_where(last, is_own),
            split(words, _pattern(), _pattern()),
        ],
        axis=1,
    )
    return runs.with_flat_values(parts).merge_dims(1, 2)


def _merge_table(merges, vocabulary):
    """Makes a table from two ids to the rank and the id of what they become.

    Args:
        merges: list of pairs of pieces, or of both with a space between.
        vocabulary: dictionary from pieces to ids.
    """
    found = {}
    for rank, pair in enumerate(merges):
        first, second = pair.split(" ") if isinstance(pair, str) else pair
        key = vocabulary[first] * WIDE + vocabulary[second]
        # Of a pair that comes twice, the last counts.
        found[key] = rank * WIDE + vocabulary[first + second]
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant([*found], tf.int64),
            tf.constant([*found.values()], tf.int64),
        ),
        NONE,
    )
