"""A published `config.json`: what a family reads of it, and refuses."""

from keras_attention.checks import did_you_mean


class Configuration:
    """The entries of a `config.json`, which are attributes.

    Args:
        name: what the file is called in error messages.
        entries: dictionary.
        names: dictionary from what the file calls an entry to what it is
            called here.
        changes: dictionary of entries that differ from those of the file.
    """

    def __init__(self, name, entries, names=(), changes=()):
        self.name = name
        self.entries = {**entries, **dict(changes)}
        self.changes = dict(changes)
        self._stored = entries
        self._written = {here: there for there, here in dict(names).items()}

    def written(self, name):
        """What the file calls an entry."""
        return self._written.get(name, name)

    def stored(self, name):
        """Gives an entry as it was for the weights of the file."""
        return self._stored[name]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.entries:
            raise ValueError(f"{self.name} lacks {self.written(name)}.")
        return self.entries[name]

    def get(self, name, default=None):
        """Gives an entry that may be missing or None."""
        value = self.entries.get(name)
        return default if value is None else value

    def choose(self, name, known):
        """Translates an entry.

        Args:
            name: of the entry.
            known: dictionary from its values to what they stand for.

        Returns:
            What the value stands for.

        Raises:
            ValueError: for a value that is not known.
        """
        value = self.entries.get(name)
        if value not in known:
            raise ValueError(
                f"{self.name} has {self.written(name)}={value!r}; known are "
                f"{', '.join(map(repr, known))}.{did_you_mean(value, known)}"
            )
        return known[value]

    def refuse_unless(self, **expected):
        """Refuses entries of which no part can make anything.

        Args:
            **expected: by the name of an entry the value that alone can be
                honoured, or a tuple of those.

        Raises:
            ValueError: for the first other value.
        """
        for name, values in expected.items():
            if not isinstance(values, tuple):
                values = (values,)
            value = self.entries.get(name, values[0])
            if value not in values:
                raise ValueError(
                    f"{self.name} has {self.written(name)}={value!r}, which "
                    "this library cannot honour; it can only be "
                    f"{' or '.join(map(repr, values))}."
                )
