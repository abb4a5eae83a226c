"""One vector for a text, by the rules of sentence embeddings."""

from keras import ops

from keras_attention.checks import did_you_mean

_SMALLEST = 1e-9


def check_pooling(pooling):
    """Refuses unknown rules.

    Args:
        pooling: the name of a rule, or a list of them.

    Returns:
        A list of names.
    """
    names = [pooling] if isinstance(pooling, str) else pooling
    if not isinstance(names, (list, tuple)) or not names:
        raise ValueError(
            f"pooling must be one of {', '.join(RULES)}, or a list of them. "
            f"Received: {pooling!r}"
        )
    for name in names:
        if name not in RULES:
            raise ValueError(
                f"pooling must be one of {', '.join(RULES)}, or a list of "
                f"them. Received: {name!r}.{did_you_mean(str(name), RULES)}"
            )
    return list(names)


def pool(hidden, padding_mask, names):
    """Pools the vectors of each text.

    Args:
        hidden: `(batch, length, dim)`.
        padding_mask: boolean `(batch, length)`, True for ids of the text.
        names: list of rules.

    Returns:
        float32 `(batch, len(names) * dim)`.
    """
    hidden = ops.cast(hidden, "float32")
    mask = ops.cast(padding_mask, "float32")[..., None]
    found = [RULES[name](hidden, mask) for name in names]
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=-1)


def normalize(vectors):
    """Scales vectors to the length 1."""
    lengths = ops.sqrt(ops.sum(vectors * vectors, axis=-1, keepdims=True))
    return vectors / ops.maximum(lengths, 1e-12)


def _weighted(hidden, weights):
    total = ops.sum(hidden * weights, axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), _SMALLEST)


def _sqrt(hidden, mask):
    count = ops.maximum(ops.sum(mask, axis=1), _SMALLEST)
    return ops.sum(hidden * mask, axis=1) / ops.sqrt(count)


def _max(hidden, mask):
    return ops.max(ops.where(mask > 0, hidden, -1e9), axis=1)


def _first(hidden, mask):
    return hidden[:, 0]


def _last(hidden, mask):
    # Text fills a row from its beginning.
    behind = ops.cumsum(mask, axis=1)
    is_last = mask * ops.cast(
        behind == ops.sum(mask, axis=1, keepdims=True), "float32"
    )
    return ops.sum(hidden * is_last, axis=1)


RULES = {
    "mean": _weighted,
    "cls": _first,
    "max": _max,
    "mean_sqrt_len_tokens": _sqrt,
    "weightedmean": lambda hidden, mask: _weighted(
        hidden, mask * ops.cumsum(ops.ones_like(mask), axis=1)
    ),
    "lasttoken": _last,
}
