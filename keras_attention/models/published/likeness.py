"""Models that were made here as those of the published family like them."""

from keras import ops

from keras_attention import zoo
from keras_attention.models.published.assembling import base_of, make_model
from keras_attention.zoo.core import fresh
from keras_attention.zoo.core.describing import activation_name
from keras_attention.zoo.core.reading import LOGITS
from keras_attention.zoo.core.writing import bind_all

# What changes no result: names, and what acts in training alone; or what is
# compared by itself.
_PASSED_OVER = {
    "dropout",
    "dtype",
    "name",
    "normalization",
    "parts",
    "position",
    "query_block_size",
    "seed",
    "trainable",
}
_SUFFIXES = ("initializer", "regularizer", "constraint")
MOST_TOLD = 3  # differences in an error message


def as_published(model):
    """Makes a model of a published family that computes what this one does.

    Args:
        model: one of this package.

    Returns:
        `(twin, entries)`: a model with the same numbers, and its
        `config.json`.

    Raises:
        ValueError: if no family that is known to be like models of ours has
            all that this one has; it names what differs from the nearest.
    """
    name = type(model).__name__
    families = [
        family
        for family in zoo.FAMILIES
        if family.describe and name in family.architectures
    ]
    nearest, told = None, []
    for family in families:
        twin, entries, differences = _imitate(model, family)
        if not differences:
            return twin, entries
        if nearest is None or len(differences) < len(told):
            nearest, told = family, differences
    if nearest is None:
        raise ValueError(
            f"This {name} is of no published family, so no config.json "
            "describes it. Write one that came from from_preset, without "
            "arguments that change its sizes or parts."
        )
    more = len(told) - MOST_TOLD
    raise ValueError(
        f"This {name} is of no published family, so no config.json describes "
        f"it. The nearest is {nearest.name}, but "
        + "; ".join(told[:MOST_TOLD])
        + (f"; and {more} more." if more > 0 else ".")
    )


def _imitate(model, family):
    """Gives `(twin, entries, differences)`, the last a list of sentences."""
    differences = _of_class(model, "model", type(model).__name__)
    for side, name in (
        ("encoder", "TransformerEncoder"),
        ("decoder", "TransformerDecoder"),
    ):
        differences += _of_class(getattr(model, side), side, name)
    if differences:
        return None, None, differences
    entries = {"model_type": family.model_types[0]}
    policy = model.decoder.dtype_policy.name
    try:
        entries |= family.describe(model)
        config = family.configuration("config.json", entries)
        with fresh.without_numbers() as variables:
            twin, kind = make_model(
                type(model), family, config, {"dtype": policy}
            )
    except ValueError as error:
        return None, None, [str(error).rstrip(".")]
    differences = _differences(model, twin)
    if not differences:
        differences = _fill(twin, model, variables, family, config, kind)
    return twin, entries, differences


def _of_class(part, name, expected):
    """Says where a class is another, which may compute anything."""
    cls = type(part)
    ours = cls.__module__.startswith("keras_attention.")
    if ours and cls.__name__ == expected:
        return []
    return [f"its {name} is a {cls.__name__}, not a {expected}"]


def _differences(model, twin):
    """Lists what a model has otherwise than its twin, once for all blocks."""
    found = {}
    if model.copy_generator is not None:
        found["copy_generator"] = "it has a copy_generator"
    if model.decoder.segment_memory:
        found["segment_memory"] = "its decoder has a segment_memory"
    for side in ("encoder", "decoder"):
        pairs = zip(
            _parts(getattr(model, side)),
            _parts(getattr(twin, side)),
            strict=True,
        )
        for (name, part), (_, expected) in pairs:
            for option, text in _compare(part, expected):
                place = f"{name} of its {side}"
                found.setdefault((place, option), f"{place} {text}")
    return list(found.values())


def _parts(side):
    """Gives the names of the arguments of a side, and the layers they made."""
    yield "embedding", side.embedding
    yield "position", side.position
    yield "embedding_normalization", side.embedding_norm
    yield "final_normalization", side.final_norm
    for block in side.blocks:
        yield "block", block
        for name in ("attention", "cross_attention", "feed_forward"):
            yield name, getattr(block, name)
        yield "position in attention", block.attention.position
        yield "residual", block.residual
        norms = list(block.norms)
        # Where there are fewer, the residual path is another.
        for index in range(3):
            known = index < len(norms)
            yield "normalization", norms[index] if known else None


def _compare(part, expected):
    """Gives names of options, and what is said of those that differ."""
    if part is None and expected is None:
        return
    if not _is_same(type(part), type(expected)):
        names = [
            None if x is None else type(x).__name__ for x in (part, expected)
        ]
        yield "class", f"is {names[0]}, which must be {names[1]}"
        return
    mine, other = _facts(part), _facts(expected)
    for name in mine.keys() & other.keys():
        if mine[name] != other[name]:
            yield (
                name,
                f"has {name}={mine[name]!r}, which must be {other[name]!r}",
            )


def _is_same(cls, expected):
    """Whether a class computes what another does."""
    # Normalizations here are those of Keras for more backends and formats.
    of_keras = cls.__module__.startswith("keras.")
    return cls is expected or (of_keras and issubclass(expected, cls))


def _facts(part):
    """The options of a part on which its result depends."""
    config = part.get_config()
    if hasattr(part, "blocks") or hasattr(part, "residual"):
        return {}  # its parts are compared by themselves
    facts = {
        name: value
        for name, value in config.items()
        if name not in _PASSED_OVER and not name.endswith(_SUFFIXES)
    }
    if hasattr(part, "factor"):  # of an embedding
        facts["scale"] = part.factor
        # Logits may get a matrix of their own with the same numbers, and a
        # bias of zeros.
        for name in ("tie_weights", "logit_bias"):
            del facts[name]
    if "activation" in facts:
        facts["activation"] = activation_name(part)
        facts["gated"] = hasattr(part, "gate_dense")
    return facts


def _fill(twin, model, variables, family, config, kind):
    """Gives the twin the numbers of the model; lists weights without a place.

    Args:
        twin, model: models of one structure.
        variables: those of the twin, which have no numbers yet.
        family, config, kind: as of `reading.fill`.

    Returns:
        List of sentences.
    """
    theirs, ours = (
        {x.name: x.weights for x in _bindings(m, family, config, kind)}
        for m in (twin, model)
    )
    placed = {id(weight) for weights in ours.values() for weight in weights}
    lost = [x.path for x in model.weights if id(x) not in placed]
    if lost:
        return [f"it has the weight {path} beside" for path in lost]
    numbers = {
        id(weight): ops.convert_to_numpy(given)
        for name, weights in theirs.items()
        for weight, given in zip(weights, ours.get(name, ()), strict=False)
    }
    if LOGITS in theirs and LOGITS not in ours:
        matrix = model.decoder.embedding.embedding.embeddings
        numbers[id(theirs[LOGITS][0])] = ops.convert_to_numpy(matrix).T
    for variable in variables:
        if id(variable) in numbers:
            fresh.give(variable, fresh.copied(numbers[id(variable)], variable))
        else:
            fresh.draw(variable)  # a bias of zeros, and states of seeds
    return []


def _bindings(model, family, config, kind):
    base = base_of(model, kind, family)
    return bind_all(model, base, family, config, kind)
