"""How similar vectors are, and which of many are most so."""

import numpy as np

from keras_attention.checks import did_you_mean
from keras_attention.tasks.core.checks import check_positive

_ROWS = 1024  # queries that are compared with a whole corpus at once


def check(name):
    """Refuses the name of an unknown similarity; returns it."""
    if name not in FUNCTIONS:
        raise ValueError(
            f"similarity must be one of {', '.join(FUNCTIONS)}. Received: "
            f"{name!r}.{did_you_mean(str(name), FUNCTIONS)}"
        )
    return name


def search(queries, corpus, similarity, top_k):
    """Finds the rows of a corpus that are most similar to each query.

    Args:
        queries: `(count, dim)`.
        corpus: `(corpus count, dim)`.
        similarity: string, the name of a function.
        top_k: integer, how many are found at most.

    Returns:
        A list for each query of dictionaries `corpus_id` and `score`, the
        best first.
    """
    check_positive(top_k=top_k)
    found = []
    for first in range(0, len(queries), _ROWS):
        part = queries[first : first + _ROWS]
        scores = compare(part, corpus, similarity)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        found += [
            [{"corpus_id": int(i), "score": float(row[i])} for i in chosen]
            for row, chosen in zip(scores, best, strict=True)
        ]
    return found


def compare(first, second, similarity):
    """Compares each row with each.

    Args:
        first, second: `(count, dim)`.
        similarity: string, the name of a function.

    Returns:
        `(count of first, count of second)`.

    Raises:
        ValueError: if these are no rows, or of several widths.
    """
    shapes = first.shape, second.shape
    if any(len(x) != 2 for x in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            "Vectors must have the shape (count, dim), all of one width. "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    return FUNCTIONS[similarity](first, second)


def _dot(first, second):
    return first @ second.T


def _cosine(first, second):
    return _dot(_unit(first), _unit(second))


def _euclidean(first, second):
    rows = [np.sqrt(((x - second) ** 2).sum(-1)) for x in first]
    return _negative(rows, second)


def _negative(rows, second):
    # There may be none.
    return -np.reshape(np.array(rows, "float32"), (len(rows), len(second)))


def _manhattan(first, second):
    return _negative([np.abs(x - second).sum(-1) for x in first], second)


def _unit(vectors):
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


FUNCTIONS = {
    "cosine": _cosine,
    "dot": _dot,
    "euclidean": _euclidean,
    "manhattan": _manhattan,
}
