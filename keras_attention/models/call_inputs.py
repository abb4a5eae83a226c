"""What the models take in a call: tensors by name, and where they act."""

import functools
import inspect

from keras import ops

from keras_attention.attention.core.checks import refuse_unless
from keras_attention.checks import check_shape
from keras_attention.masks import as_mask


def unpack(inputs, *names):
    """Takes tensors from positional arguments or from one dictionary.

    Args:
        inputs: a tensor, or a dictionary of tensors by name.
        *names: pairs of an argument's name and its value.

    Returns:
        The list of values; those in the dictionary win.

    Raises:
        ValueError: for names in the dictionary that the model does not take.
    """
    if not isinstance(inputs, dict):
        return [inputs] + [value for _, value in names[1:]]
    known = [name for name, _ in names]
    unknown = sorted(set(inputs) - set(known))
    if unknown or known[0] not in inputs:
        raise ValueError(
            f"Expected inputs named {', '.join(known)}, of which {known[0]} "
            f"is needed. Received: {', '.join(sorted(inputs))}"
        )
    return [inputs.get(name, value) for name, value in names]


def read(token_ids, **others):
    """Takes token ids and what else a model is called with, by name.

    Args:
        token_ids: a tensor, or a dictionary of it and others.
        **others: tensors by their names, or None.

    Returns:
        `(token_ids, given)`, where given is a dictionary of the other
        tensors, without those that are None.

    Raises:
        ValueError: as `unpack`.
    """
    names = ("token_ids", None), *others.items()
    token_ids, *values = unpack(token_ids, *names)
    pairs = zip(others, values, strict=True)
    return token_ids, {name: x for name, x in pairs if x is not None}


def embed(
    model,
    inputs,
    *,
    start=0,
    padding_mask=None,
    segment_ids=None,
    position_ids=None,
    training=None,
):
    """Embeds tokens, or what else the embedding takes, and their positions.

    Args:
        model: a `Transformer`.
        inputs: integers `(batch, length)`, or what the embedding takes.
        start: integer, the position of the first token.
        padding_mask: boolean `(batch, length)` or None.
        segment_ids: integers `(batch, length)`, the kind of each token.
        position_ids: integers `(batch, length)`, in place of `start`.
        training: whether to apply dropout.

    Returns:
        `(batch, length, hidden_dim)`.

    Raises:
        ValueError: for segments or positions that no part takes.
    """
    embedding, position = model.embedding, model.position
    takes = _parameters(type(embedding).call)
    given = {"segment_ids": segment_ids} if segment_ids is not None else {}
    if segment_ids is not None and "segment_ids" not in takes:
        raise ValueError(
            f"{type(embedding).__name__} takes no segment_ids; use a "
            "TokenEmbedding with num_segments."
        )
    if "start" in takes:
        given["start"] = start
    if "padding_mask" in takes and padding_mask is not None:
        given["padding_mask"] = padding_mask
    is_narrow = "narrow" in takes
    if is_narrow:
        given["narrow"] = True
    x = embedding(inputs, training=training, **given)
    if position_ids is None and position.skips_padding:
        position_ids = _count_tokens(padding_mask, start)
    if position_ids is None:
        x = position.embed(x, start=start)
    elif "positions" in _parameters(type(position).embed):
        x = position.embed(x, positions=position_ids)
    elif not position.rotates_by_any:
        raise ValueError(
            f"{type(position).__name__} takes no position_ids; "
            "LearnedEncoding, SinusoidalEncoding and RotaryEmbedding do."
        )
    if model.embedding_norm is not None:
        x = model.embedding_norm(x)
    x = model.embedding_dropout(x, training=training)
    return embedding.input_projection(x) if is_narrow else x


def rotated_positions(model, position_ids, x):
    """Checks the positions by which the blocks of a model are to rotate.

    Args:
        model: a `Transformer`.
        position_ids: integers `(batch or 1, length)`, or None.
        x: `(batch, length, hidden_dim)`, the rows that go with them.

    Returns:
        These as int32, or None where there are none, or they were added to
        the embeddings.

    Raises:
        ValueError: for another shape, or a flavour that rotates by places
            alone.
    """
    if position_ids is None or not model.position.rotates_by_any:
        return None
    for block in model.blocks:
        refuse_unless(
            block.attention,
            block.attention.rotates_by_any,
            "position_ids",
            "leave them out, or use MultiHeadAttention",
        )
    position_ids = ops.convert_to_tensor(position_ids)
    batch = 1 if position_ids.shape[0] == 1 else x.shape[0]
    check_shape("position_ids", position_ids, (batch, x.shape[1]))
    return ops.cast(position_ids, "int32")


@functools.lru_cache(maxsize=64)
def _parameters(function):
    return frozenset(inspect.signature(function).parameters)


def _count_tokens(padding_mask, start):
    """Positions by the number of tokens, padding that before the first."""
    if padding_mask is None:
        return None
    mask = ops.cast(as_mask("padding_mask", padding_mask), "int32")
    counts = ops.cast(start, "int32") + ops.cumsum(mask, axis=1)
    return counts * mask - 1
