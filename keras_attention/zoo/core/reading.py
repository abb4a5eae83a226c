"""Numbers of a checkpoint into the weights of a model."""

import fnmatch
import re
import sys
from concurrent.futures import ThreadPoolExecutor

from keras_attention.checks import did_you_mean
from keras_attention.zoo.core import checkpoint, fresh
from keras_attention.zoo.core.quantized import check_method
from keras_attention.zoo.core.sinusoids import check_sinusoids
from keras_attention.zoo.core.tensors import bind

# Heads of other tasks than the models here have.
_HEADS = (
    "*.pooler.*",
    "classification_head.*",
    "classifier.*",
    "cls.*",
    "final_logits_bias",
    "lm_head.*",
    "pooler.*",
    "pre_classifier.*",
    "qa_outputs.*",
    "score.*",
    "vocab_*",
)
# What some versions wrote beside weights.
_NO_WEIGHTS = (
    "*.attn.bias",
    "*.attn.masked_bias",
    "*.num_batches_tracked",
    "*.position_ids",
    "*.rotary_emb.inv_freq",
    "*.version",
)
_THREADS = 8  # that read tensors
_MOST_NAMES = 5  # that an error lists
LOGITS = "lm_head.weight"


def find_name(family, name, stored):
    """Finds a tensor, whose name may begin with the prefix of the family.

    Args:
        family: a `Family`.
        name: without the prefix.
        stored: as of `checkpoint.opened`.

    Returns:
        The name that is stored, or None.
    """
    names = f"{family.prefix}.{name}", name
    return next((x for x in names if x in stored), None)


def check_layers(family, config, kind, folder):
    """Refuses, before any is made, more layers than a file has tensors of.

    Args: as of `fill`.
    """
    counts = family.counts(config)
    if not isinstance(counts, dict):
        counts = {"": counts}
    if kind == "TransformerEncoder":
        counts.pop("decoder", None)  # which its file may lack
    counts = counts.values()
    with checkpoint.opened(folder) as stored:
        numbers = [int(n) for x in stored for n in re.findall(r"\d+", x)]
    most = max(numbers, default=0) + 1
    for count in counts:
        if isinstance(count, int) and count > most:
            raise ValueError(
                f"{config.name} has {count} layers, {folder} lacks tensors of "
                f"those behind {most}."
            )


def fill(model, base, variables, family, config, kind, folder):
    """Sets the weights of a model that has no numbers yet.

    Args:
        model: the model.
        base: the model, or the part of it that has no head.
        variables: what `fresh.without_numbers` gave.
        family: a `Family`.
        config: a `Configuration`.
        kind: name of the model's class, of those of the family.
        folder: `pathlib.Path`.

    Raises:
        ValueError: for tensors that are missing, left over, of another shape,
            or other positions than the model computes; the weights then have
            no numbers still.
    """
    check_method(config)
    count = family.counts(config)
    with checkpoint.opened(folder) as stored:
        heads = bind(model, family.head(kind, config), count)
        shared = [
            name
            for name in (*family.shares, LOGITS)
            if name not in {head.name for head in heads}
        ]

        def place(binding):
            names = [binding.name]
            if binding.name in family.shares:
                names += shared
            places = (find_name(family, name, stored) for name in names)
            name = next(filter(None, places), binding.name)
            return binding._replace(name=name)

        ours = [place(x) for x in bind(base, family.table(config), count)]
        lacking = [x for x in heads if not _has(stored, x, config)]
        heads = [x for x in heads if _has(stored, x, config)]
        _check_names(folder, family, kind, ours, heads, stored)
        check_sinusoids(base, stored)
        for binding in (*ours, *heads):
            _check_entry(binding, stored[binding.name])
        waiting = {id(variable): variable for variable in variables}
        for weight, array in _loaded([*ours, *heads], stored):
            fresh.give(waiting.pop(id(weight)), array)
    for variable in waiting.values():
        fresh.draw(variable)
    if lacking:
        names = ", ".join(sorted({x.name for x in lacking}))
        print(f"{folder} has no {names}: drawn anew.", file=sys.stderr)


def _loaded(bindings, stored):
    """Yields weights with their numbers, several tensors at a time."""

    def load(binding):
        parts = binding.split(stored[binding.name].load())
        return [
            (weight, fresh.copied(part, weight))
            for weight, part in zip(binding.weights, parts, strict=True)
        ]

    # Copying lets go of Python's lock, and one core does not fill memory's
    # bandwidth.
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(bindings), 2 * _THREADS):
            some = bindings[first : first + 2 * _THREADS]
            for pairs in pool.map(load, some):
                yield from pairs


def _has(stored, binding, config):
    """Whether a file has a tensor of a head, for as many classes."""
    if binding.name not in stored:
        return False
    shape = stored[binding.name].shape
    return "num_labels" not in config.changes or shape == binding.shape


def _check_names(folder, family, kind, ours, heads, stored):
    used = {binding.name for binding in (*ours, *heads)}
    patterns = (
        *_HEADS,
        *_NO_WEIGHTS,
        *family.passed_over,
        *family.shares,
    )
    surplus = [
        name
        for name in stored
        if name not in used
        and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        and not any(
            fnmatch.fnmatch(name, f"{family.prefix}.{pattern}")
            for pattern in patterns
        )
    ]
    missing = [x.name for x in ours if x.name not in stored]
    if kind == "TransformerEncoder":
        # Of a file of both sides.
        surplus = [x for x in surplus if not _is_of_decoder(x, family)]
    if missing:
        shown = [
            f"{name}.{did_you_mean(name, surplus)}".rstrip(".")
            for name in missing[:_MOST_NAMES]
        ]
        raise ValueError(
            f"{folder} lacks {len(missing)} tensors of a {family.name} model: "
            f"{'; '.join(shown)}{_and_more(missing)}"
        )
    if surplus:
        raise ValueError(
            f"{folder} has {len(surplus)} tensors of which its config.json "
            f"says nothing: {', '.join(surplus[:_MOST_NAMES])}"
            f"{_and_more(surplus)}"
        )


def _is_of_decoder(name, family):
    return name.startswith(("decoder.", f"{family.prefix}.decoder."))


def _and_more(names):
    more = len(names) - _MOST_NAMES
    return f" and {more} more" if more > 0 else ""


def _check_entry(binding, entry):
    """Refuses a tensor of another shape, or one of integers."""
    if entry.dtype.kind in "biu":
        raise ValueError(
            f"{entry.name} in {entry.path} is of {entry.dtype}, where a model "
            "has floats: the file is quantized in a way that is not read here."
        )
    # A bias of one row, or a position table of one batch, has axes of one.
    given, expected = (
        tuple(size for size in shape if size != 1)
        for shape in (entry.shape, binding.shape)
    )
    if given != expected:
        raise ValueError(
            f"{entry.name} in {entry.path} has the shape {entry.shape}; by "
            f"config.json it has {binding.shape}."
        )
