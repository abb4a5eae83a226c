"""Classes of tokens joined to entities."""

import re

import numpy as np

AGGREGATIONS = ("simple", "first", "average", "max")


class Scheme:
    """How labels mark the tokens of an entity.

    Labels that begin with `B-` and `I-` are those of IOB1 or IOB2: an entity
    goes on as long as its type comes again, without `B-`. Where some begin
    with `E-` or `L-`, the scheme is BIOES or BILOU: these end an entity, and
    `S-` and `U-` are one by themselves. A label without a mark goes on as
    long as it comes again.

    Args:
        labels: list of strings.
    """

    def __init__(self, labels):
        marks = {label[0] for label in labels if re.match("[BELSU]-", label)}
        is_ended = "B" in marks and marks & {"E", "L"}
        self._ends = marks & set("ELSU") if is_ended else set()
        self._marks = {"B", "I", *self._ends}

    def read(self, label):
        """Gives `(mark, type)` of a label; one without a mark is inside."""
        mark, dash, name = label.partition("-")
        if dash and mark in self._marks:
            return mark, name
        return "I", label

    def goes_on(self, before, label):
        """Whether a token belongs to the entity of the one before."""
        (earlier, name), (mark, other) = self.read(before), self.read(label)
        begins = mark in ("B", "S", "U")
        return name == other and not begins and earlier not in self._ends

    def type_of(self, label):
        """Gives the type of entity that a label marks."""
        return self.read(label)[1]


def words(text, spans, pieces, prefix, unknown):
    """Says which tokens go on with the word of the token before.

    Args:
        text: string.
        spans: list of `(first, behind)`, the characters of each token.
        pieces: list of strings, the token's pieces.
        prefix: string, what pieces within a word begin with; empty for a
            tokenizer whose words only white space parts.
        unknown: list of booleans, which tokens are unknown; these begin a
            word.

    Returns:
        List of booleans.
    """
    if prefix:
        found = [piece.startswith(prefix) for piece in pieces]
    else:
        found = [
            first > 0 and not any(map(str.isspace, text[first - 1 : first + 1]))
            for first, _ in spans
        ]
    return [x and not y for x, y in zip(found, unknown, strict=True)]


def join_words(scores, spans, inside, rule):
    """Makes one token of those of each word.

    Args:
        scores: `(tokens, classes)`, probabilities.
        spans: list of `(first, behind)`.
        inside: list of booleans, as of `words`.
        rule: `"first"`, `"average"` or `"max"`.

    Returns:
        `(scores, spans)` of the words.
    """
    starts = [i for i, goes_on in enumerate(inside) if i == 0 or not goes_on]
    bounds = [*starts, len(inside)]
    found, places = [], []
    for first, behind in zip(bounds, bounds[1:], strict=False):
        of_word = scores[first:behind]
        if rule == "first":
            chosen = of_word[0]
        elif rule == "max":
            chosen = of_word[np.argmax(of_word.max(axis=-1))]
        else:
            chosen = of_word.mean(axis=0)
        found.append(chosen)
        places.append((spans[first][0], spans[behind - 1][1]))
    return found, places


def join_entities(scores, spans, labels, scheme):
    """Joins tokens, or words, to entities.

    Args:
        scores: list of arrays `(classes,)`, probabilities.
        spans: list of `(first, behind)`.
        labels: list of strings.
        scheme: a `Scheme`, or None to leave each token by itself.

    Returns:
        List of dictionaries `label`, `score`, `start` and `end`; the score is
        the mean over the tokens.
    """
    groups, before = [], None
    for row, span in zip(scores, spans, strict=True):
        best = int(np.argmax(row))
        label = labels[best]
        if not (groups and scheme and scheme.goes_on(before, label)):
            groups.append([])
        groups[-1].append((label, float(row[best]), span))
        before = label
    return [
        {
            "label": scheme.type_of(group[0][0]) if scheme else group[0][0],
            "score": sum(score for _, score, _ in group) / len(group),
            "start": group[0][2][0],
            "end": group[-1][2][1],
        }
        for group in groups
    ]


def without_overlaps(entities):
    """Keeps, of entities that windows found in one place, the longest.

    Of those of one length, the most probable stays.
    """
    kept = []
    for entity in sorted(entities, key=lambda x: x["start"]):
        if not kept or entity["start"] >= kept[-1]["end"]:
            kept.append(entity)
        elif _size(entity) > _size(kept[-1]):
            kept[-1] = entity
    return kept


def _size(entity):
    return entity["end"] - entity["start"], entity["score"]
