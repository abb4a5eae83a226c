"""Calls without a row, without queries or without keys."""

import keras
from keras import ops


def run_with_one(
    layer,
    run,
    query,
    value,
    key,
    *,
    cache,
    memory=None,
    padding_mask=None,
    attention_mask=None,
    start=0,
    options=None,
    **inputs,
):
    """Runs an empty call with one of what is missing, and cuts that off again.

    A flavour then never meets what backends disagree about: maxima of
    nothing, chunks of no size. A key that is made up is padding, so that a
    query without keys gets what any query gets that may attend to nothing.

    Args: `layer` and its `run`, and as of `run`.

    Returns:
        What `run` returns.
    """
    keys = query if value is None else value
    keys = keys if key is None else key
    keys = keys if memory is None else memory["mask"]
    if padding_mask is None and _lacks(keys, 1):
        padding_mask = ops.ones(ops.shape(keys)[:2], "bool")
    own_cache = cache
    if cache is not None and _lacks(query, 1):
        # Nothing is written: what happens to this one does not matter.
        own_cache, start = layer.init_cache(ops.shape(query)[0], 1), 0
    output = run(
        _filled(query, 0, 1),
        _filled(value, 0, 1),
        _filled(key, 0, 1),
        cache=keras.tree.map_structure(lambda x: _filled(x, 0), own_cache),
        memory=_filled_memory(memory),
        padding_mask=_filled(padding_mask, 0, 1),
        attention_mask=_filled(attention_mask, 0, 1, 2),
        start=start,
        options={
            name: _filled(x, 0, 1) if len(getattr(x, "shape", ())) > 1 else x
            for name, x in (options or {}).items()
        },
        **inputs,
    )
    if cache is not None:
        output, found = output
        if not _lacks(query, 1):
            cache = keras.tree.map_structure(lambda x: x[:0], found)
    output = output[:0] if _lacks(query, 0) else output
    output = output[:, :0] if _lacks(query, 1) else output
    return output if cache is None else (output, cache)


def _filled_memory(memory):
    if memory is None:
        return None
    axes = {"key": (0, 2), "value": (0, 2), "mask": (0, 1)}
    return {name: _filled(memory[name], *axes[name]) for name in axes}


def _filled(x, *axes):
    """Gives an axis without anything one row of zeros."""
    if x is None:
        return None
    x = ops.convert_to_tensor(x)
    for axis in axes:
        if _lacks(x, axis):
            shape = list(ops.shape(x))
            shape[axis] = 1
            # Joined to nothing, of which there is a gradient too.
            x = ops.concatenate([x, ops.zeros(shape, x.dtype)], axis)
    return x


def _lacks(x, axis):
    return x.shape[axis] == 0
