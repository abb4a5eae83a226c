"""Turns names, configurations and templates into new, unbuilt layers.

Every family of parts (attention, positions, feed-forward, normalization,
embeddings) keeps one literal dictionary of its classes and resolves through
the functions here.
"""

import functools
import inspect
import math

import keras

from keras_attention.checks import check_boolean, did_you_mean
from keras_attention.memory import bytes_of, check_memory

PACKAGE = "keras_attention"
_SMALL = 2**20  # bytes, which every machine has


class ChecksBooleans:
    """Mixin that refuses what is no boolean where a constructor expects one.

    Those are the arguments whose default is True or False. A string such as
    `"false"`, which stands for neither, would count as True. An argument that
    the constructor does not know is answered with the nearest that it knows.

    A class whose argument may be more than a boolean lists its name in
    `takes_more_than_booleans`, and checks it.
    """

    def __new__(cls, *args, **kwargs):
        parameters = arguments_of(cls)
        for name, value in _by_name(cls, args, kwargs).items():
            default = getattr(parameters.get(name), "default", None)
            if isinstance(default, bool) and (
                name not in getattr(cls, "takes_more_than_booleans", ())
            ):
                check_boolean(name, value)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except ValueError as error:
            known = arguments_of(type(self))
            unknown = [name for name in kwargs if name not in known]
            hint = did_you_mean(unknown[0], known) if unknown else ""
            if not hint:
                raise
            raise ValueError(f"{error}.{hint}") from None


class Template(ChecksBooleans):
    """Mixin for layers that models clone: remembers what the caller set.

    A model fills in what a template leaves open, so it must tell an argument
    that was passed from one that kept its default.
    """

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls, *args, **kwargs)
        given = _by_name(cls, args, kwargs)
        if given.get("dtype") is None:
            given.pop("dtype", None)
        layer._given = set(given)
        return layer

    def add_weight(self, shape=None, *args, **kwargs):
        """Makes a weight, unless it is larger than the memory."""
        sizes = [x for x in keras.tree.flatten(shape) if isinstance(x, int)]
        dtype = kwargs.get("dtype") or self.dtype_policy
        needed = bytes_of(math.prod(sizes), dtype)
        # The limit is read from files, for each of thousands of weights.
        if needed > _SMALL:
            check_memory(
                f"The numbers of {kwargs.get('name', 'a weight')} of the shape "
                f"{shape} in a {type(self).__name__}",
                needed,
            )
        return super().add_weight(shape, *args, **kwargs)


def describe(part):
    """Describes a template so that a configuration can hold it.

    Args:
        part: a name, a configuration, a layer, or None.

    Returns:
        The name, the configuration, or None as they are; for a layer a
        dictionary with `class_name`, `registered_name`, `module` and the
        `config` entries that its maker set (all of them for a layer that is
        no `Template`). It never holds a build configuration: a part is
        rebuilt by its owner.
    """
    if not isinstance(part, keras.layers.Layer):
        return part
    description = describe_whole(part)
    config = description["config"]
    # One template makes many layers, so it hands on no name; a policy that
    # nobody chose stays open for that of the model.
    config.pop("name")
    given = getattr(part, "_given", None)
    if given is None:
        given = set(config)
        if part.dtype_policy == keras.config.dtype_policy():
            given.discard("dtype")
    description["config"] = {
        name: value for name, value in config.items() if name in given
    }
    return description


def describe_whole(part):
    """Describes a layer that its owner uses as it is, with every setting.

    Args:
        part: a layer, or None.

    Returns:
        A dictionary as of `describe`, or None.
    """
    if part is None:
        return None
    description = keras.saving.serialize_keras_object(part)
    description.pop("build_config", None)
    return description


def resolve(part, classes, kind, defaults):
    """Makes a new, unbuilt layer from a name, a configuration or a layer.

    Args:
        part: a registered name, a configuration as `describe` or
            `keras.saving.serialize_keras_object` give it, or a layer that
            serves as the template.
        classes: dictionary from registered name to class.
        kind: what the part is called in error messages.
        defaults: constructor arguments for what `part` leaves open. Those
            that its class does not take are passed over.

    Returns:
        A layer.

    Raises:
        ValueError: if the name is unknown (the message lists the known ones)
            or `part` is of another type.
    """
    if isinstance(part, str):
        cls, config = _lookup(part, classes, kind), {}
    elif isinstance(part, keras.layers.Layer):
        cls, config = type(part), describe(part)["config"]
    elif isinstance(part, dict) and "class_name" in part:
        cls, config = _class_of(part, classes, kind), part.get("config", {})
    else:
        raise _of_no_kind(kind, part)
    accepted = arguments_of(cls)
    filled = {
        name: value
        for name, value in defaults.items()
        if name in accepted and config.get(name) is None and value is not None
    }
    try:
        return cls.from_config({**config, **filled})
    except TypeError as error:
        # Keras hides what the constructor refused behind a TypeError.
        if isinstance(error.__context__, ValueError):
            raise error.__context__ from None
        raise


def check_given(**parts):
    """Refuses None for parts that have to be there.

    Args:
        **parts: parts by the names of their arguments.

    Raises:
        ValueError: for the first that is None.
    """
    for kind, part in parts.items():
        if part is None:
            raise _of_no_kind(kind, part)


def _of_no_kind(kind, part):
    return ValueError(
        f"Expected {kind} as a name, a configuration or a layer. "
        f"Received: {part!r}"
    )


def copy_initializer(initializer):
    """Copies an initializer that serves several weights.

    A copy with a fixed seed gives the same numbers again, and Keras warns
    when one object without a seed is used twice.

    Args:
        initializer: a Keras initializer, or a function of shape and dtype.

    Returns:
        A new initializer, or the function itself.
    """
    clone = getattr(initializer, "clone", None)
    return initializer if clone is None else clone()


def _lookup(name, classes, kind):
    if name not in classes:
        raise ValueError(
            f"Unknown {kind} name: {name!r}. Known names: "
            f"{', '.join(sorted(classes))}.{did_you_mean(name, classes)}"
        )
    return classes[name]


def _class_of(description, classes, kind):
    name = description["class_name"]
    registered = description.get("registered_name") or name
    cls = keras.saving.get_registered_object(registered)
    by_name = {c.__name__: c for c in classes.values()} | classes
    # Somebody else's class may be called as one of ours.
    if cls is None and ">" not in registered:
        if str(description.get("module")).startswith("keras."):
            by_name = vars(keras.layers)
        cls = by_name.get(name)
    if cls is None:
        raise ValueError(
            f"Unknown {kind} class: {registered!r}. Register your own with "
            "@keras.saving.register_keras_serializable. Known names: "
            f"{', '.join(sorted(classes))}.{did_you_mean(name, by_name)}"
        )
    return cls


@functools.lru_cache(maxsize=256)  # read for every layer that is made
def _constructors(cls):
    """The parameters of each constructor on the way to the base, by name."""
    found = []
    for base in cls.__mro__:
        if "__init__" in base.__dict__:
            parameters = dict(inspect.signature(base.__init__).parameters)
            parameters.pop("self", None)
            found.append(parameters)
    return found


def _by_name(cls, args, kwargs):
    """The arguments of a constructor by their names."""
    # What does not fit is for the constructor to refuse.
    return {**dict(zip(_positional(cls), args, strict=False)), **kwargs}


def _positional(cls):
    """Names of positional arguments, through the chain of `*args`."""
    names = []
    for parameters in _constructors(cls):
        names += [
            name
            for name, p in parameters.items()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        if not any(p.kind == p.VAR_POSITIONAL for p in parameters.values()):
            break
    return names


def arguments_of(cls):
    """The parameters of a constructor, by name, through its `**kwargs`.

    Args:
        cls: a class.

    Returns:
        A dictionary from name to `inspect.Parameter`.
    """
    accepted = {}
    for parameters in _constructors(cls):
        accepted = {**parameters, **accepted}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
            break
    return accepted
