"""Rules for single characters in a graph. It imports TensorFlow."""

import tensorflow as tf

# The planes that hold characters, and those for private use, of which the
# first character tells.
PLANES = [(0, 0xD800), (0xE000, 0x32400), (0xE0000, 0xE0200)]
PRIVATE = [(0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)]
MARK = "|"  # which no rule makes of another character
REMOVED = "\0"  # what a table has for an empty string
# TensorFlow's splitting ends a text at a NUL: this stands for it, which
# Unicode keeps free of characters.
NUL = "\U0010ffff"
# White space of Unicode, in a class of RE2, which knows that of ASCII alone.
SPACE = (
    r"\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}"
    r"\x{205f}\x{3000}"
)
# What Python takes for white space.
PYTHON_SPACE = SPACE + r"\x{1c}-\x{1f}"


class CharacterRules(tf.Module):
    """Does what a normalizer does that sees each character by itself.

    The normalizer is asked for all characters once, so that the graph
    knows as many as it does.

    Args:
        normalize: function from a string to a string.
    """

    def __init__(self, normalize):
        super().__init__()
        known = all_characters()
        results = normalize(MARK.join(known)).split(MARK)
        rules = dict(zip(known, results, strict=True))
        removed = ranges([x for x in known if rules[x] == ""])
        if normalize(chr(PRIVATE[0][0])) == "":
            removed += "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in PRIVATE)
        if rules["\0"] == "":
            removed += NUL
        blank = ranges([x for x in known if rules[x] == " "])
        spaced = ranges([x for x in known if rules[x] == f" {x} "])
        self._classes = [
            (f"[{inside}]", result)
            for inside, result in (
                (removed, ""),
                (blank, " "),
                (spaced, r" \0 "),
            )
            if inside
        ]
        plain = [(x, found) for x, found in rules.items() if found.strip(" ")]
        others = {x: found for x, found in plain if found.strip(" ") != x}
        self._others = string_table(others) if others else None

    def aligned(self, given):
        """Applies the rules to `Aligned` strings."""
        return given.by_character(self)

    def __call__(self, text):
        """Applies the rules to strings `(count,)`."""
        for pattern, result in self._classes:
            text = tf.strings.regex_replace(text, pattern, result)
        if self._others is None:
            return text
        return join(look_up(self._others, characters(text)))


def all_characters():
    """Lists the characters that rules may be about, but for `MARK`."""
    known = [chr(n) for plane in PLANES for n in range(*plane)]
    return [x for x in known if x != MARK]


def characters(text):
    """Cuts strings into characters, ragged `(count, None)`."""
    return tf.strings.unicode_split(text, "UTF-8")


def join(parts):
    """Joins ragged strings `(count, None)`."""
    return tf.strings.reduce_join(parts, axis=-1)


def string_table(entries):
    """Makes a table from strings to strings."""
    values = [found or REMOVED for found in entries.values()]
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant([*entries], tf.string), tf.constant(values, tf.string)
        ),
        "",
    )


def id_table(entries, default=-1):
    """Makes a table from strings to int32 ids."""
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant([*entries], tf.string),
            tf.constant([*entries.values()], tf.int32),
        ),
        default,
    )


def look_up(table, strings):
    """Replaces strings of which a `string_table` has an entry."""
    if isinstance(strings, tf.RaggedTensor):
        return strings.with_flat_values(look_up(table, strings.flat_values))
    found = table.lookup(strings)
    return tf.where(found == "", strings, without_mark(found))


def without_mark(found):
    """Turns what a `string_table` has for empty strings into them."""
    return tf.where(found == REMOVED, "", found)


def rows_where(values, chosen):
    """Makes rows of one value where chosen, and of none elsewhere."""
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(values, chosen), tf.cast(chosen, tf.int64)
    )


def ranges(found):
    """Writes characters, in their order, as the inside of a class of RE2."""
    spans = []
    for number in map(ord, found):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in spans)
