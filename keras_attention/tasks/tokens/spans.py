"""The most probable spans of windows over a text."""

import numpy as np

from keras_attention.tasks.classification.base import softmax


def best_spans(logits, windows, max_length, count):
    """Finds the best spans, each in the window where most is seen around it.

    A span's score is the product of the probabilities of its first and of its
    last token, each of a softmax over the tokens of its window and the null
    token. A span that several windows hold is scored in the one that sees
    most on its poorer side, as the evaluation of SQuAD has it for tokens; of
    equals, in the longer window.

    Args:
        logits: list of arrays `(1 + tokens, 2)` for each window, those of the
            null token first.
        windows: list of `(first, behind)`, the tokens of each.
        max_length: integer, tokens of a span at most.
        count: integer, how many spans.

    Returns:
        `(spans, null_score)`: a list of `(score, first, last)`, tokens of the
        text, the best first; and the least score of the null token.
    """
    found, null_scores = [], []
    for window, rows in zip(windows, logits, strict=True):
        start, end = softmax(rows.astype("float32").T)
        null_scores.append(float(start[0] * end[0]))
        scores = start[1:, None] * end[None, 1:]
        first, last = np.indices(scores.shape)
        length = last - first
        allowed = (length >= 0) & (length < max_length)
        allowed &= _sees_most(window, windows, first, last)
        places = np.flatnonzero(allowed)
        scores = scores.ravel()[places]
        order = np.argsort(-scores, kind="stable")[:count]
        for place, score in zip(places[order], scores[order], strict=True):
            first, last = divmod(int(place), len(rows) - 1)
            found.append((float(score), first + window[0], last + window[0]))
    found.sort(key=lambda x: -x[0])
    return found[:count], min(null_scores)


def joined_by_words(text, best, spans, words):
    """Widens spans to whole words and joins those of the same text.

    Args:
        text: string.
        best: list of `(score, first, last)`, from `best_spans`.
        spans, words: lists of `(first, behind)`, the characters of each token
            and of its word; a token in no word has None.

    Returns:
        List of `(score, first, behind)`, in characters: the first span of each
        text, in lower case, with the scores of all.
    """
    found = {}
    for score, first, last in best:
        start, end = words[first], words[last]
        if start is None or end is None:
            start, end = spans[first], spans[last]
        place = start[0], end[1]
        key = text[slice(*place)].lower()
        total, *place = found.get(key, (0.0, *place))
        found[key] = total + score, *place
    return list(found.values())


def _sees_most(window, windows, first, last):
    """Whether no other window sees more around a span of this one.

    Args:
        window: `(first, behind)`.
        windows: list of all.
        first, last: integer arrays, the spans within the window.

    Returns:
        Boolean array.
    """
    first, last = first + window[0], last + window[0]
    own = _context(window, first, last)
    is_best = np.ones(first.shape, bool)
    is_earlier = True
    for other in windows:
        if other == window:
            is_earlier = False
            continue
        theirs = _context(other, first, last)
        is_best &= (own > theirs) if is_earlier else (own >= theirs)
    return is_best


def _context(window, first, last):
    """What a window sees around spans; negative for those it does not hold."""
    begin, behind = window
    around = np.minimum(first - begin, behind - 1 - last)
    return around + 0.01 * (behind - begin) * (around >= 0)
