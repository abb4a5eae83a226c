"""Which weights of one flavour of attention serve another, and how."""

from keras import ops

from keras_attention import attention as attention_layers
from keras_attention.attention import (
    BigBirdAttention,
    BlockSparseAttention,
    LongformerAttention,
    MultiHeadAttention,
    SlidingWindowAttention,
    SparseTransformerAttention,
)
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.positions import PositionalEncoding
from keras_attention.registry import arguments_of, describe

# A softmax of the same scores, over all keys or some of them.
_SAME_SCORES = (
    BigBirdAttention,
    BlockSparseAttention,
    LongformerAttention,
    MultiHeadAttention,
    SlidingWindowAttention,
    SparseTransformerAttention,
)
# What the model gives its attention, or every layer has.
_NOT_CARRIED = ("name", "dtype", "trainable", "position")
_GLOBAL = "global_"
_MOST_PROBLEMS = 3  # that an error lists


def describe_new(model, attention):
    """Describes the attention of a converted model.

    Args:
        model: a `Transformer`.
        attention: as of `convert_attention`.

    Returns:
        A configuration, or a list with one for each block.
    """
    is_list = isinstance(attention, (list, tuple))
    parts = attention if is_list else [attention]
    if not parts:
        raise ValueError("A list of attention layers holds one at least.")
    found = [
        _describe(block.attention, parts[index % len(parts)])
        for index, block in enumerate(model.blocks)
    ]
    is_one = all(description == found[0] for description in found)
    return found[0] if is_one else found


def _describe(old, part):
    """Describes one layer, with what it takes over from the old one."""
    config = old.get_config()
    carried = {n: x for n, x in config.items() if n not in _NOT_CARRIED}
    new = attention_layers.get(part, num_heads=old.num_heads)
    carried["use_bias"] = _biases(old, type(new))
    return describe(attention_layers.get(part, **carried))


def _biases(old, new_class):
    """The `use_bias` of a flavour that may have other projections."""
    if not isinstance(old.use_bias, list):
        return old.use_bias
    return [
        name
        for name in new_class.projections
        if name in old.use_bias or name.removeprefix(_GLOBAL) in old.use_bias
    ]


def carry_all(old, new):
    """Gives the attention of a model the weights of another.

    Args:
        old, new: models of as many blocks.

    Returns:
        List of sentences on what is computed otherwise than before.

    Raises:
        ValueError: for weights that do not carry over.
    """
    changes = []
    for before, after in zip(old.blocks, new.blocks, strict=True):
        _carry(before.attention, after.attention)
        changes += _differences(before.attention, after.attention)
    return list(dict.fromkeys(changes))


def _differences(old, new):
    names = type(old).__name__, type(new).__name__
    both_same = all(isinstance(x, _SAME_SCORES) for x in (old, new))
    if both_same or type(old) is type(new):
        return []
    found = [f"{names[1]} computes something else than {names[0]} did."]
    known = arguments_of(SoftmaxOptions)
    config, taken = old.get_config(), arguments_of(type(new))
    dropped = [
        f"{name}={config[name]!r}"
        for name, parameter in known.items()
        if name in config
        and name not in taken
        and parameter.kind is parameter.KEYWORD_ONLY
        and config[name] != parameter.default
    ]
    if dropped:
        found.append(f"It has no {', '.join(dropped)}.")
    return found


def _carry(old, new):
    sources, targets = _weights(old), _weights(new)
    used, problems = set(), []
    for name, target in targets.items():
        source = name if name in sources else name.removeprefix(_GLOBAL)
        if source not in sources:
            problems.append(f"nothing for its {name}")
            continue
        used.add(source)
        value = _fit(source, sources[source], tuple(target.shape))
        if value is None:
            problems.append(
                f"a {name} of the shape {tuple(sources[source].shape)} for "
                f"{tuple(target.shape)}"
            )
        else:
            target.assign(value)
    problems += [f"a {name} too many" for name in sources if name not in used]
    if problems:
        names = type(old).__name__, type(new).__name__
        more = len(problems) - _MOST_PROBLEMS
        raise ValueError(
            f"The weights of {names[0]} do not carry over to {names[1]}: "
            f"there is {', '.join(problems[:_MOST_PROBLEMS])}"
            f"{f' and {more} more' if more > 0 else ''}. They do to flavours "
            "with the same projections: multi_head, sliding_window, "
            "longformer, bigbird, block_sparse, sparse_transformer, linear "
            "and others."
        )


def _weights(layer):
    """The weights of attention by name, without those of its position."""
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    found = {weight.name: weight for weight in own}
    for part in layer._flatten_layers(include_self=False, recursive=False):
        if not isinstance(part, PositionalEncoding):
            found |= {f"{part.name}/{x.name}": x for x in part.weights}
    return found


def _fit(name, source, shape):
    """Gives a weight another number of key and value heads.

    Args:
        name: `"key/kernel"` for example.
        source: variable `(..., heads, head_dim)`.
        shape: tuple of integers, the one that is wanted.

    Returns:
        A tensor of that shape; None where it cannot be had.
    """
    old = tuple(source.shape)
    if old == shape:
        return source
    is_split = name.removeprefix(_GLOBAL).split("/")[0] in ("key", "value")
    others = (*old[:-2], old[-1]) == (*shape[:-2], shape[-1])
    if not is_split or len(old) != len(shape) or not others:
        return None
    had, wanted = old[-2], shape[-2]
    if had % wanted == 0:
        grouped = (*old[:-2], wanted, had // wanted, old[-1])
        return ops.mean(ops.reshape(source, grouped), axis=-2)
    if wanted % had == 0:
        return ops.repeat(source, wanted // had, axis=-2)
    return None
