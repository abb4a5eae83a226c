"""Positions of a trained model for longer texts."""

from keras import ops

from keras_attention.models.layer_positions import LayerPositions
from keras_attention.positions import LearnedEncoding, RotaryEmbedding
from keras_attention.registry import describe

_MULTIPLIED = ("linear", "yarn", "llama3")


def encodings_of(model):
    """Lists the encodings of a model that are layers, each once.

    Args:
        model: a `Transformer`.

    Returns:
        List of layers: that of the model, and those of its blocks.
    """
    found = [model.position] if model.position.weights else []
    found += [
        position
        for block in model.blocks
        if (position := getattr(block.attention, "position", None)) is not None
    ]
    return list({id(x): x for x in found if hasattr(x, "build")}.values())


def lengthened(model, max_length, trained_length):
    """Describes the positions of a model for longer texts.

    Args:
        model: a `Transformer`.
        max_length: integer, as of `convert_attention`.
        trained_length: integer, tokens that rotary positions were trained
            with, or None where nobody says.

    Returns:
        A configuration, or a list of them.
    """
    parts = model.position
    if isinstance(parts, LayerPositions):
        return [
            _longer(parts.of_block(index), max_length, trained_length)
            for index in range(model.num_layers)
        ]
    return _longer(parts, max_length, trained_length)


def _longer(position, max_length, trained_length):
    description = describe(position)
    if description is None:  # a block without
        return None
    config = description["config"]
    config.pop("dtype", None)  # the model gives it
    if isinstance(position, LearnedEncoding):
        if max_length < position.max_length:
            raise ValueError(
                "max_length must be no less than that of the model, "
                f"{position.max_length}. Received: {max_length}"
            )
        config["max_length"] = max_length
        return description
    limit = position.max_length
    if limit is not None and limit < max_length:
        raise ValueError(
            f"{type(position).__name__} has positions up to max_length={limit} "
            f"and cannot be extended. Received: max_length={max_length}"
        )
    if type(position) is RotaryEmbedding:
        config["scaling"] = _scaling(position, max_length, trained_length)
    return description


def _scaling(position, max_length, trained_length):
    """The `scaling` of rotary positions with which they reach further."""
    scaling = position.scaling
    kind = None if scaling is None else scaling["type"]
    if kind == "ntk":  # follows the length by itself
        return scaling
    if trained_length is None:
        raise ValueError(
            "The model does not say for which length its RotaryEmbedding was "
            'trained. Pass position=RotaryEmbedding(scaling={"type": "yarn", '
            '"factor": ..., "original_max_length": ...}) in place of '
            f"max_length={max_length}."
        )
    if max_length <= trained_length:
        return scaling
    factor = max_length / trained_length
    if kind is None:
        return {
            "type": "yarn",
            "factor": factor,
            "original_max_length": trained_length,
        }
    if kind in _MULTIPLIED:
        return {**scaling, "factor": scaling["factor"] * factor}
    raise ValueError(
        f"A RotaryEmbedding with scaling of type {kind} has factors that were "
        f"searched for {trained_length} tokens. Received: max_length="
        f"{max_length}"
    )


def carry_all(old, new):
    """Gives the positions of a model the weights of another.

    Args:
        old, new: models of as many blocks.

    Returns:
        List of sentences on what is computed otherwise than before.
    """
    changes = []
    pairs = [(old.position, new.position)]
    pairs += [
        (before.attention.position, after.attention.position)
        for before, after in zip(old.blocks, new.blocks, strict=True)
    ]
    for source, target in pairs:
        if source is None or isinstance(target, LayerPositions):
            continue
        if type(source) is not type(target):
            changes.append(
                f"{type(target).__name__} takes the place of "
                f"{type(source).__name__}."
            )
        elif not _carry(source, target):
            changes.append(f"The weights of {type(target).__name__} are fresh.")
    return list(dict.fromkeys(changes))


def _carry(source, target):
    """Copies the weights of an encoding; False where these do not fit."""
    if isinstance(target, LearnedEncoding):
        return _copy_rows(source, target)
    shapes = [[tuple(w.shape) for w in x.weights] for x in (source, target)]
    if shapes[0] != shapes[1]:
        return False
    for weight, new in zip(source.weights, target.weights, strict=True):
        new.assign(weight)
    return True


def _copy_rows(source, target):
    """Copies learned positions, again and again where there are more."""
    widths = [x.table.shape[1] for x in (source, target)]
    if source.offset != target.offset or widths[0] != widths[1]:
        return False
    offset = source.offset
    times = -(-target.max_length // source.max_length)
    rows = ops.tile(source.table[offset:], (times, 1))[: target.max_length]
    target.table.assign(ops.concatenate([source.table[:offset], rows]))
    return True
