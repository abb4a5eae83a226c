"""A published family of models: what is said of one in its file."""

import dataclasses
from collections.abc import Callable, Mapping

from keras_attention.zoo.core.configuration import Configuration


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of published models.

    Args:
        name: as papers write it.
        paper: authors, year and address.
        model_types: those of `config.json`, of which sizes have the first;
            none where no weights were published.
        architectures: dictionary from the name of a model class here to that
            of `transformers`, or a function from a `Configuration` to that;
            the first holds no head.
        prefix: what names of tensors begin with in models with a head; empty
            for nothing.
        sizes: dictionary from the name of a published size to what its
            `config.json` says beyond `defaults`.
        defaults: dictionary, what an entry of `config.json` is where it is
            missing.
        names: dictionary from names of entries to those that
            `arguments.model` reads.
        parts: function from a `Configuration` to the keyword arguments of
            each part: `{"encoder": {...}, "masked_lm": {...}}`.
        tensors: table as of `tensors.bind`, from the model without a head,
            or a function from a `Configuration` to it.
        heads: tables of the heads by the name of the model class, or
            functions likewise.
        counts: function from a `Configuration` to how many layers there are,
            as of `tensors.bind`.
        changeable: names of entries that arguments of `from_preset` can
            change, for example the size of images.
        shares: names of tensors that hold one matrix where a model shares it,
            of which a file may have any.
        copies: function from a `Configuration` to a dictionary from names of
            `shares` to others of them, whose copies are written.
        t5_logits: whether the matrix of logits is that of the tokens unless
            a file has another, and logits of the former are scaled, as of T5.
        describe: function from a model that was made here to the entries of
            the `config.json` that may describe it; None where models of ours
            are not like the family's.
        passed_over: regular expressions of tensors that hold no weights.
        in_keras_hub: whether KerasHub has the family.
    """

    name: str
    paper: str
    model_types: tuple
    architectures: Mapping
    prefix: str
    sizes: Mapping
    defaults: Mapping
    parts: Callable
    tensors: Mapping | Callable
    names: Mapping = dataclasses.field(default_factory=dict)
    heads: Mapping = dataclasses.field(default_factory=dict)
    counts: Callable = lambda config: config.num_hidden_layers
    changeable: tuple = ()
    shares: tuple = ()
    copies: Callable = lambda config: {}
    t5_logits: bool = False
    describe: Callable | None = None
    passed_over: tuple = ()
    in_keras_hub: bool = True

    def entries(self, size):
        """What the `config.json` of a published size says."""
        kind = {"model_type": self.model_types[0]} if self.model_types else {}
        return {**kind, **self.sizes[size]}

    def table(self, config):
        """The table of tensors of the model without a head."""
        return self.tensors(config) if callable(self.tensors) else self.tensors

    def head(self, kind, config):
        """The table of the head of a model class, empty where there is none."""
        table = self.heads.get(kind, {})
        return table(config) if callable(table) else table

    def architecture(self, kind, config):
        """The class of `transformers` that goes with a model class here."""
        name = self.architectures[kind]
        return name(config) if callable(name) else name

    def prefix_of(self, kind):
        """What names of tensors begin with in files of a model class."""
        # An EncoderDecoder has a head, though it may be the only class.
        is_bare = kind == next(iter(self.architectures))
        if not self.prefix or (is_bare and kind != "EncoderDecoder"):
            return ""
        return f"{self.prefix}."

    def configuration(self, name, entries, changes=()):
        """Reads a `config.json` of the family.

        Args:
            name: what it is called in error messages.
            entries: dictionary.
            changes: dictionary of entries of `changeable`.

        Returns:
            A `Configuration`.

        Raises:
            ValueError: for an entry of another type than its default.
        """
        defaults, entries, changes = (
            {self.names.get(key, key): x for key, x in dict(given).items()}
            for given in (self.defaults, entries, changes)
        )
        config = Configuration(
            name, {**defaults, **entries}, self.names, changes
        )
        config.check_types(defaults)
        return config
